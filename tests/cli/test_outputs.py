"""`OutputOptions`: files are checked before any work; where rows are written."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from vecsim.cli.outputs import OutputOptions, as_output_options, check_page, written_to
from vecsim.errors import StorageError, UsageError


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"file": Path("missing/x.csv")}, StorageError),
        ({"file": Path()}, UsageError),
        ({"file": Path("x.xlsx")}, UsageError),
        ({"format": "xml"}, UsageError),
        ({"report": Path("x.txt")}, click.UsageError),
        ({"report": Path("missing/x.html")}, StorageError),
        ({"others": (None, Path("missing/m.npy"))}, StorageError),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(options, error: type[Exception]) -> None:
    if options == {"file": Path()}:
        options = {"file": Path.cwd(), "format": "csv"}
        error = StorageError
    with pytest.raises(error):
        OutputOptions(**options)


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_report_replaces_the_rows() -> None:
    report = Path("r.html")

    assert OutputOptions().rows_on_terminal
    assert not OutputOptions(report=report).has_rows
    assert OutputOptions("csv", report=report).rows_on_terminal
    assert OutputOptions(file=Path("x.csv"), report=report).has_rows
    assert not OutputOptions(file=Path("x.csv"), report=report).rows_on_terminal


def test_in_a_pipe_a_report_is_written_beside_the_rows() -> None:
    outputs = OutputOptions(report=Path("r.html"))

    assert outputs.has_rows and not outputs.rows_on_terminal


def test_the_message_names_the_file_of_the_rows() -> None:
    assert written_to(Path("x.csv")) == ", written to x.csv"
    assert written_to(Path("-")) == ""
    assert written_to(None) == ""


def test_options_are_taken_out_of_the_values_of_a_command() -> None:
    values = {"format_": "tsv", "output": None, "report": None, "index": "i"}

    outputs = as_output_options(values, Path("m.npy"))

    assert outputs == OutputOptions("tsv", None, None, (Path("m.npy"),))
    assert values == {"index": "i"}


def test_a_page_may_have_other_extensions() -> None:
    check_page("--plot", Path("c.PNG"), ".png")
    check_page("--plot", None)
    with pytest.raises(click.UsageError, match=r"--plot c\.svg: the name must end in \.html or"):
        check_page("--plot", Path("c.svg"), ".png")
