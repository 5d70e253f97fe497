"""Matches and rows as CSV, TSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.errors import UsageError
from vecsim.records import Failure, ImageRef
from vecsim.render import Column, failure_columns, failure_rows, open_writer, write_rows
from vecsim.render.row_writers import ROWS_AT_ONCE
from vecsim.results import Match
from vecsim.sources import read_source

MATCH = Match("1", "https://a/1.jpg", "x", "/b/x.jpg", 0.93384, {"title": "Shoe"}, {"price": "5"})
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def test_csv_has_a_header_and_scores_with_six_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer(query_fields=["title"], reference_fields=["price", "sale"]) as writer:
        writer.write(MATCH)
    assert capsys.readouterr().out == (
        "query_id,query_url,reference_id,reference_url,score,"
        "query_title,reference_price,reference_sale\n"
        "1,https://a/1.jpg,x,/b/x.jpg,0.933840,Shoe,5,\n"
    )


def test_names_replace_the_prefixes_of_columns(capsys: pytest.CaptureFixture[str]) -> None:
    fields = ["title"]
    with open_writer(query_fields=fields, reference_fields=fields, names=("test1", "test2")):
        pass
    assert capsys.readouterr().out == (
        "test1_id,test1_url,test2_id,test2_url,score,test1_title,test2_title\n"
    )


def test_equal_names_are_refused() -> None:
    with pytest.raises(UsageError, match="must differ"), open_writer(names=("a", "a")):
        pass


def test_a_field_with_the_name_of_an_own_column_is_renamed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    match = Match("1", "u", "2", "v", 1.0, {"id": "mine"})
    with open_writer("jsonl", query_fields=["id"]) as writer:
        writer.write(match)
    row = json.loads(capsys.readouterr().out)
    assert row["query_id"] == "1"
    assert row["query_id_2"] == "mine"


def test_scores_are_numbers_in_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer("jsonl", query_fields=["title", "sale"]) as writer:
        writer.write_many([MATCH])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "query_id": "1",
        "query_url": "https://a/1.jpg",
        "reference_id": "x",
        "reference_url": "/b/x.jpg",
        "score": 0.93384,
        "query_title": "Shoe",
        "query_sale": None,
    }


@pytest.mark.parametrize(
    ("score", "text"), [(-0.0, "0.000000"), (1.0, "1.000000"), (-1, "-1.000000")]
)
def test_scores_as_text(score: float, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer("csv") as writer:
        writer.write(Match("1", "u", "2", "v", score))
    assert capsys.readouterr().out.splitlines()[1] == f"1,u,2,v,{text}"


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5), st.sampled_from(["csv", "tsv", "jsonl"]))
def test_any_text_can_be_read_back(rows: list[tuple[str, str]], kind: str) -> None:
    import contextlib

    written = io.StringIO(newline="")
    with contextlib.redirect_stdout(written):
        write_rows(["a", "b"], rows, kind)
    if kind == "jsonl":
        read = [tuple(json.loads(line).values()) for line in written.getvalue().split("\n")[:-1]]
    else:
        delimiter = "\t" if kind == "tsv" else ","
        written.seek(0)
        read = [tuple(row) for row in csv.reader(written, delimiter=delimiter, strict=True)][1:]
    assert read == rows


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_many_rows_are_written_as_the_csv_module_writes_each(
    kind: str, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Rows are written in batches, some of which hold ends of lines within their cells."""
    texts = ["", "a", "a,b", 'a"b', "a\tb", " a ", "a\nb"]
    rows = [[texts[n % 7], texts[n % 5], n / 7 - 50] for n in range(3 * ROWS_AT_ONCE)]
    rows[ROWS_AT_ONCE + 5][0] = "a\rb"
    rows[2 * ROWS_AT_ONCE + 7][1] = "a\r\nb"

    write_rows(["a", "b", Column("c", "score")], rows, kind)

    written = io.StringIO(newline="")
    line = io.StringIO(newline="")
    for row in [["a", "b", "c"], *([one, two, f"{score:.6f}"] for one, two, score in rows)]:
        line.seek(line.truncate(0))
        csv.writer(line, delimiter="\t" if kind == "tsv" else ",").writerow(row)
        written.write(line.getvalue()[:-2] + "\n")
    assert capsysbinary.readouterr().out == written.getvalue().encode()


def test_a_lone_surrogate_is_written_as_an_escape(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    write_rows(["a"], [("x\udc80",)], "csv")
    assert capsysbinary.readouterr().out == b"a\nx\\udc80\n"


def test_missing_values_are_empty(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["name", Column("dim", "integer"), Column("threshold", "number")]
    write_rows(columns, [("phash", 64, 0.9), (None, None, None)], "csv")
    assert capsys.readouterr().out == "name,dim,threshold\nphash,64,0.9\n,,\n"


def test_failures_can_be_read_again_as_a_list_of_images(tmp_path: Path) -> None:
    refs = [ImageRef("1", "https://a/1.jpg", {"title": "a,b"}), ImageRef("2", "", {})]
    failures = [
        Failure(refs[0], "http", "gone", 404, None, 3, "2026-01-01T00:00:00Z"),
        Failure(refs[1], "bad-url", "empty"),
    ]
    for name in ("failures.csv", "failures.jsonl"):
        output = tmp_path / name
        write_rows(failure_columns(["title"]), failure_rows(failures, ["title"]), output=output)
        found = list(read_source(output))
        assert [(ref.id, ref.url, dict(ref.fields)) for ref in found] == [
            ("1", "https://a/1.jpg", {"title": "a,b"}),
            ("2", "", {"title": ""}),
        ]
    header = (tmp_path / "failures.csv").read_text().splitlines()[0]
    assert header == "id,url,title,final_url,kind,http_status,message,attempts,last_try"
