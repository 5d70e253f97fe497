"""The registry of output formats: names, extensions, and that each of them writes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vecsim.cli.group import cli
from vecsim.errors import UsageError
from vecsim.render import FORMATS, Column, choose_format

COLUMNS = [Column("id"), Column("n", "integer"), Column("score", "score")]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.csv", "csv"),
        ("a.TSV", "tsv"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.parquet", "parquet"),
        ("a", "csv"),
        ("-", "csv"),
    ],
)
def test_the_extension_of_the_output_chooses_the_format(name: str, format_: str) -> None:
    assert choose_format(None, Path(name)) == format_
    assert choose_format("jsonl", Path(name)) == "jsonl"


def test_unknown_formats_and_extensions_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no output format has the extension \.xlsx\. Use one of"):
        choose_format(None, Path("a.xlsx"))
    with pytest.raises(UsageError, match="there are: table, csv"):
        choose_format("xml", None)


def test_a_terminal_gets_a_table_and_no_binary_format(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_format(None, None) == "csv"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert choose_format(None, None) == "table"
    assert choose_format(None, Path("a.csv")) == "csv"
    with pytest.raises(UsageError, match="cannot be shown on a terminal"):
        choose_format("parquet", None)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_writes_to_a_stream_that_stays_open(name: str) -> None:
    stream = io.BytesIO()

    writer = FORMATS[name].open(stream, COLUMNS)
    writer.write([("a", 1, 0.5), ("b", None, None)])
    writer.close()

    assert stream.getvalue()
    assert not FORMATS[name].is_text or b"0.5" in stream.getvalue()


def test_no_two_formats_share_an_extension() -> None:
    extensions = [end for format_ in FORMATS.values() for end in format_.extensions]

    assert len(extensions) == len(set(extensions))


def test_every_format_is_a_choice_of_the_command_line() -> None:
    command = cli.get_command(None, "match")  # type: ignore[arg-type]
    assert command is not None
    option = next(option for option in command.params if "--format" in option.opts)

    assert list(option.type.choices) == list(FORMATS)  # type: ignore[attr-defined]
