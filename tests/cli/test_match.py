"""`vecsim match`: pairs, their order, and their formats."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from vecsim import Index
from vecsim import match as library_match
from vecsim.index import Snapshot
from vecsim.operations import matching
from vecsim.operations.requests import SearchRequest

COPIES = [("1", "3", 0.9375), ("2", "3", 0.8125), ("6", "5", 0.875)]


@pytest.mark.ci
def test_two_sets_are_matched_with_all_their_fields(vecsim, first: Path, second: Path) -> None:
    ran = vecsim("match", first, second, "--show-all")

    assert ran.status == 0
    assert list(ran.rows[0]) == [
        *("query_id", "query_url", "reference_id", "reference_url", "score"),
        *("query_title", "reference_title"),
    ]
    assert ran.rows[0]["query_title"] == "copy, large"
    assert ran.pairs == [("1", "3", 0.9375), ("2", "3", 0.8125), ("3", "3", 1.0)]


def test_a_set_alone_is_matched_with_itself(vecsim, index: Path) -> None:
    ran = vecsim("match", index)

    assert [pair[:2] for pair in ran.pairs] == [("1", "3"), ("1", "2"), ("2", "3"), ("5", "6")]
    assert "4 pairs among 6 x 6 images" in ran.err


def test_a_set_given_twice_is_matched_as_two_sets(vecsim, index: Path) -> None:
    ran = vecsim("match", index, index, "--show-all")

    assert len(ran.pairs) == 6 + 2 * 4
    assert ran.pairs[:3] == [("1", "1", 1.0), ("1", "3", 0.9375), ("1", "2", 0.75)]


def test_best_only_keeps_the_best_match_of_each_query(vecsim, index: Path, second: Path) -> None:
    ran = vecsim("match", index, second, "--best-only")

    assert [pair[:2] for pair in ran.pairs] == [("1", "3"), ("2", "3"), ("3", "3"), ("4", "4")]


def test_the_threshold_is_inclusive_and_the_csv_can_be_filtered_by_hand(
    vecsim, index: Path
) -> None:
    everything = vecsim("match", index, "--threshold", "-1").pairs
    scores = sorted({score for *_, score in everything})

    assert len(everything) == 15
    for limit in scores:
        ran = vecsim("match", index, "--threshold", limit)
        assert ran.pairs == [pair for pair in everything if pair[2] >= limit]


def test_the_order_is_queries_then_score_then_id_as_text(vecsim, index: Path, pictures) -> None:
    rows = "id,url\n9,pics/3.jpg\n10,pics/3.jpg\nb,pics/3.jpg\na,pics/4.jpg\n"
    Path("more.csv").write_text(rows)

    ran = vecsim("match", index, "more.csv", "--threshold", "0.9")

    assert ran.pairs == [
        *(("1", id_, 0.9375) for id_ in ("10", "9", "b")),
        *(("3", id_, 1.0) for id_ in ("10", "9", "b")),
        ("4", "a", 1.0),
    ]


def test_since_reports_only_pairs_with_a_new_image(vecsim, index: Path, first: Path) -> None:
    Path("new.csv").write_text("id,url\nnew,pics/3.jpg\n")
    assert vecsim("add", index, "new.csv").status == 0
    added = [row.ref.id for row in _rows(index)]

    assert added[-1] == "new"
    added_at = _rows(index)[-1].added_at
    assert [p[:2] for p in vecsim("match", index, "--since", added_at).pairs] == [
        *(("1", "new"), ("2", "new"), ("3", "new")),
    ]
    assert vecsim("match", index, "--since", "7d").out == vecsim("match", index).out
    assert vecsim("match", index, "--since", "2199-01-01").pairs == []


def _rows(index: Path):
    from vecsim.index import Snapshot

    with Snapshot(index) as snapshot:
        return list(snapshot.all_rows())


@pytest.mark.ci
def test_names_replace_the_prefixes(vecsim, first: Path, second: Path) -> None:
    ran = vecsim("match", first, second, "--names", "test1", "test2")

    assert ran.out.splitlines()[0] == (
        "test1_id,test1_url,test2_id,test2_url,score,test1_title,test2_title"
    )


def test_columns_are_carried_as_chosen(vecsim, first: Path, second: Path) -> None:
    first.write_text("id,url,title,price\n3,pics/3.jpg,lake,12\n")

    some = vecsim("match", first, second, "--columns", "price")
    none = vecsim("match", first, first, "--columns", "")

    assert some.status == 1
    assert f"{second} line 1: no column 'price'. There are: id, url, title." in some.err
    assert none.out.splitlines()[0] == "query_id,query_url,reference_id,reference_url,score"


@pytest.mark.parametrize("format_", ["csv", "tsv", "jsonl", "parquet"])
def test_each_format_has_the_same_rows(format_: str, vecsim, index: Path) -> None:
    output = Path(f"pairs.{format_}")
    ran = vecsim("match", index, "--output", output)

    assert (ran.status, ran.out) == (0, "")
    assert f"4 pairs among 6 x 6 images, written to {output}" in ran.err
    rows = _read(output)
    found = [(row["query_id"], row["reference_id"], float(row["score"])) for row in rows]
    assert found == [(m.query_id, m.reference_id, m.score) for m in library_match(index)]
    assert [row["reference_title"] for row in rows] == [f"picture {pair[1]}" for pair in found]


def _read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ","))


def test_a_table_leaves_out_columns_that_do_not_fit(vecsim, index: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "76")

    lines = vecsim("match", index, "--format", "table").out.splitlines()

    assert lines[0].startswith("query_url, reference_url in ")
    assert lines[1].split()[:3] == ["query_id", "query_url", "reference_id"]
    assert set(lines[2]) == {"─", " "}
    assert lines[3].split()[0] == "1"
    assert "0.937500  picture 1" in lines[3]
    assert lines[-1] == "Columns that do not fit (the format csv has them): reference_title"


def test_the_output_is_the_same_each_time(vecsim, index: Path) -> None:
    outputs = {vecsim("match", index, "--threshold", "-1").out for _ in range(3)}

    assert len(outputs) == 1


def test_after_an_error_the_old_output_stays(vecsim, index: Path) -> None:
    output = Path("pairs.csv")
    output.write_text("before\n")
    segment = next((index / "segments").glob("*.faiss"))
    segment.write_bytes(segment.read_bytes()[:100])

    ran = vecsim("match", index, "--output", output)

    assert ran.status == 1
    assert output.read_text() == "before\n"
    assert [path.name for path in Path().iterdir() if ".part" in path.name] == []


def test_the_matrix_has_all_scores(vecsim, index: Path, second: Path) -> None:
    ran = vecsim("match", index, second, "--matrix", "all.npy")

    matrix = np.load("all.npy")
    assert "all.npy: 6 x 2 scores" in ran.err
    assert (matrix.shape, matrix.dtype) == ((6, 2), np.float64)
    assert [matrix[0, 0], matrix[1, 0], matrix[2, 0], matrix[3, 1]] == [0.9375, 0.8125, 1, 1]


def test_an_empty_set_matches_nothing(vecsim, second: Path) -> None:
    Path("none.csv").write_text("id,url\n")

    ran = vecsim("match", "none.csv", second, "--matrix", "none.npy")

    assert (ran.status, ran.pairs) == (0, [])
    assert "0 pairs among 0 x 2 images" in ran.err
    assert np.load("none.npy").shape == (0, 2)


def test_failed_images_are_reported_each_time(vecsim, first: Path) -> None:
    first.write_text(first.read_text() + "gone,pics/gone.jpg,x\n")

    once = vecsim("match", first)
    again = vecsim("match", first)

    assert once.status == 3
    assert "3 added, 1 failed (1 no-file)." in once.err
    assert "`vecsim retry indexes/.sources/first-phash-" in once.err
    assert again.out == once.out
    assert "1 image failed in an earlier run: `vecsim retry indexes/" in again.err


@pytest.mark.parametrize("to_file", [True, False], ids=["to a file", "to the screen"])
def test_a_terminal_shows_progress_unless_it_shows_rows(index: Path, to_file: bool) -> None:
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "vecsim", "match", index]
    command += ["--output", "pairs.csv"] if to_file else []
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=writer, stderr=writer, env=environment) as process:
        os.close(writer)
        shown = b""
        with contextlib.suppress(OSError):  # Linux: EIO once the other end is closed
            while part := os.read(reader, 10_000):
                shown += part
    os.close(reader)
    assert process.returncode == 0
    assert "4 pairs among 6 x 6 images" in shown.decode()
    assert ("starting …" in shown.decode()) == to_file


def test_who_watches_hears_of_all_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vecsim.index.join.FEW_PAIRS", 0)  # else all are searched at once
    vectors = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    Index.from_vectors(tmp_path / "new", vectors, range(100)).close()
    heard: list[int] = []
    with Snapshot(tmp_path / "new") as snapshot:
        found = matching.match(snapshot, snapshot, SearchRequest(0.99999), progress=heard.append)
        assert list(found) == []
    assert heard == sorted(heard)
    assert len(heard) > 1
    assert heard[-1] == 100
