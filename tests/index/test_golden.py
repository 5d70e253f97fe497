"""An index of every format version there has been, as it was written then: it must load for ever.

Each is read from a copy: reading leaves files of its own beside a catalog.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from search import oracle

from vecsim import Index, match

from .golden.make import vectors
from .on_disk import read_segment, rows, segment_files

GOLDEN = Path(__file__).with_name("golden")
REMOVED = {"image-3", "image-30"}


@pytest.fixture(params=["v1", "v2"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    return Index.open(shutil.copytree(GOLDEN / request.param, tmp_path / "index"))


def test_it_holds_what_was_put_in(index: Index) -> None:
    assert [ref.id for ref in index] == [
        f"image-{row}" for row in range(40) if f"image-{row}" not in REMOVED
    ]
    assert (index.fingerprint.model, index.fingerprint.dim) == ("golden", 8)
    seventh = list(index)[6]
    assert (seventh.url, seventh.fields) == ("https://example.com/7.jpg", {"name": "Größe 7"})
    assert [len(read_segment(file)[0]) for file in segment_files(index.path)] == [25, 13, 2]
    assert index.verify() == []


def test_it_answers_what_it_did(index: Index) -> None:
    scores = oracle.matrix(vectors(), vectors())
    found = match(index, threshold=0.5).to_numpy()
    expected = {
        (f"image-{row}", f"image-{column}", float(scores[row, column]))
        for row, column in np.argwhere(scores >= 0.5).tolist()
        if row < column
    }
    expected = {pair for pair in expected if REMOVED.isdisjoint(pair[:2])}
    assert len(expected) > 20
    assert set(found.tolist()) == expected
    (best,) = index.query_ids("image-5", top_k=1)
    others = [row for row in range(40) if row != 5 and f"image-{row}" not in REMOVED]
    assert best.score == scores[5, others].max()


def test_it_can_still_grow(index: Index) -> None:
    index.remove("image-0")
    index.add_vectors(vectors()[3:4], ["image-3"])
    index.close()
    index.compact()
    assert len(index) == 38
    assert index.verify() == []
    assert len(segment_files(index.path)) == 1


def test_an_older_one_is_read_as_it_is_and_brought_up_to_date_when_written(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "v1", tmp_path / "index")
    before = migrations(path)
    with Index.open(path) as index:
        assert len(index) == 38
        assert migrations(path) == before == ["0001_initial"]
        index.remove("image-0")
        assert migrations(path) == ["0001_initial", "0002_warnings", "0003_checksums"]
        assert len(index) == 37


def migrations(path: Path) -> list[str]:
    return [name for (name,) in rows(path, "SELECT name FROM _sqlite_migrations ORDER BY 1")]
