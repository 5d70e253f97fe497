"""Parquet."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from vecsim.errors import MissingExtraError
from vecsim.render import Column, open_writer, row_writers, write_rows
from vecsim.results import Match

MATCHES = [Match(str(n), "u", "2", "v", n / 8, {"title": "x"} if n else {}) for n in range(5)]


def read(source: Path | io.BytesIO) -> tuple[list[str], list[dict[str, object]]]:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.read_table(source)
    return [str(field.type) for field in table.schema], table.to_pylist()


def test_matches_have_types_and_are_written_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_writers, "ROWS_PER_GROUP", 2)
    output = tmp_path / "out.parquet"
    with open_writer(None, output, query_fields=["title"]) as writer:
        writer.write(MATCHES[0])
        writer.write_many(MATCHES[1:])
    types, rows = read(output)
    assert types == ["string"] * 4 + ["double", "string"]
    assert [row["score"] for row in rows] == [0, 0.125, 0.25, 0.375, 0.5]
    assert [row["query_title"] for row in rows] == [None, *"xxxx"]
    groups = pytest.importorskip("pyarrow.parquet").ParquetFile(output).num_row_groups
    assert groups == 3


def test_an_empty_result_has_its_columns(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    with open_writer(None, output):
        pass
    types, rows = read(output)
    assert types == ["string"] * 4 + ["double"]
    assert rows == []


def test_parquet_can_go_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write_rows(["a", Column("n", "integer")], [("x", 1), (5, None)], "parquet")
    _, rows = read(io.BytesIO(capsysbinary.readouterr().out))
    assert rows == [{"a": "x", "n": 1}, {"a": "5", "n": None}]


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingExtraError, match=r"vecsim\[parquet\]"),
        open_writer(None, tmp_path / "out.parquet"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
