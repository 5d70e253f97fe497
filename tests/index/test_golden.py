"""An index of every format version there has been, as it was written then: it must load for ever.

Each is read from a copy: reading leaves files of its own beside a catalog.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support import oracle
from support.on_disk import read_segment, rows, segment_files
from vecsim import Index, match
from vecsim.catalog.migrations import CATALOG
from vecsim.records import ImageFacts, ImageRef

from .golden import make
from .golden.make import vectors

GOLDEN = Path(__file__).with_name("golden")
REMOVED = set(make.REMOVED)


@pytest.fixture(params=["v1", "v2", "v3", "v6", "v7", "v8"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    return open_copy(request.param, tmp_path)


def open_copy(name: str, tmp_path: Path) -> Index:
    return Index.open(shutil.copytree(GOLDEN / name, tmp_path / "index"))


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
    found = match(index, threshold=0.5, show_all=True).to_numpy()
    expected = {
        (f"image-{row}", f"image-{column}", float(scores[row, column]))
        for row, column in np.argwhere(scores >= 0.5).tolist()
        if row < column
    }
    expected = {pair for pair in expected if REMOVED.isdisjoint(pair[:2])}
    assert len(expected) > 20
    assert set(found.tolist()) == expected
    (best,) = index.query_ids("image-5", top_k=1, show_all=True)
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


@pytest.mark.parametrize("name", ["v3", "v6", "v7", "v8"])
def test_it_holds_facts_failures_thumbnails_and_settings(name: str, tmp_path: Path) -> None:
    index = open_copy(name, tmp_path)
    stored = {row.ref.id: row.facts for row in index.snapshot.all_rows()}
    expected = {id_: make.facts(int(id_.removeprefix("image-"))) for id_ in stored}
    expected["image-5"] = replace(make.facts(5), fetched_at=make.NEWER, etag='"newer"')
    if name not in ("v7", "v8"):
        expected = {id_: replace(facts, entropy=None) for id_, facts in expected.items()}
    assert stored == expected
    assert {id_ for id_, facts in stored.items() if facts.warnings} == {"image-6", "image-31"}
    assert index.failures == make.FAILURES
    assert index.threshold == make.THRESHOLD
    thumbnails = {id_: index.thumbnail(id_) for id_ in stored}
    assert {id_ for id_, webp in thumbnails.items() if webp is None} == {
        f"image-{row}" for row in range(0, 40, 5) if f"image-{row}" not in REMOVED
    }
    assert {webp[8:12] for webp in thumbnails.values() if webp} == {b"WEBP"}
    assert len({webp for webp in thumbnails.values() if webp}) == 31


@pytest.mark.parametrize("name", ["v6", "v7", "v8"])
def test_formats_hold_decisions_sources_and_missing_images(name: str, tmp_path: Path) -> None:
    index = open_copy(name, tmp_path)
    assert sorted(each.decision.verdict for each in index.decisions) == ["different", "same"]
    assert rows(index.path, "SELECT name, place FROM sources") == [("shop", "/lists/shop.csv")]
    assert rows(index.path, "SELECT count(*) FROM owners") == [(40,)]
    missing = [row.ref.id for row in index.snapshot.all_rows() if row.missing_since]
    unlisted = [row.ref.id for row in index.snapshot.all_rows() if row.unlisted]
    assert unlisted == ([make.UNLISTED] if name == "v8" else [])
    assert missing == [make.MISSING, *unlisted]


def test_v1_and_v2_have_rows_without_facts(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        index = open_copy(name, tmp_path / name)
        assert {row.facts for row in index.snapshot.all_rows()} == {ImageFacts()}
        assert index.failures == []


@pytest.mark.parametrize(
    ("name", "fingerprint", "pairs"),
    [
        (
            "bundled-1",
            "bundled (256 dimensions, smooth-160-v2, weights 7c87",
            {
                ("1", "2", 0.941819),
                ("1", "3", 0.985097),
                ("2", "3", 0.941784),
                ("5", "6", 0.929278),
            },
        ),
        (
            "bundled-2",
            "bundled-2 (256 dimensions, smooth-160-v2, weights cd60",
            {
                ("1", "2", 0.966624),
                ("1", "3", 0.985504),
                ("2", "3", 0.967446),
                ("5", "6", 0.958477),
            },
        ),
        (
            "bundled-2-trimmed",
            "bundled-2 (256 dimensions, smooth-160-srgb-contrast-trimmed-v2, weights cd60",
            {
                ("1", "2", 0.961406),
                ("1", "3", 0.985504),
                ("2", "3", 0.96477),
                ("5", "6", 0.958477),
            },
        ),
        (
            "bundled-3",
            "bundled-3 (256 dimensions, smooth-160-srgb-contrast-trimmed-v2, weights b560",
            {
                ("1", "2", 0.966943),
                ("1", "3", 0.98621),
                ("2", "3", 0.970466),
                ("5", "6", 0.968457),
            },
        ),
    ],
)
def test_the_index_of_a_bundled_model_holds_what_was_put_in(
    name: str, fingerprint: str, pairs: set[tuple[str, str, float]], tmp_path: Path
) -> None:
    index = open_copy(name, tmp_path)
    assert str(index.fingerprint).startswith(fingerprint)
    assert [(ref.id, ref.url) for ref in index] == [
        (str(number), f"https://example.com/{number}.jpg") for number in range(1, 7)
    ]
    assert all(index.thumbnail(ref.id) for ref in index)
    assert index.verify() == []
    found = match(index, threshold=0.9)
    assert {(pair.query_id, pair.reference_id, pair.score) for pair in found} == pairs


def test_pictures_are_added_to_the_index_of_bundled_3_and_found(tmp_path: Path) -> None:
    index = open_copy("bundled-3", tmp_path)
    index.add([ImageRef("again", str(make.DEMO / "5.jpg"))])
    assert [ref.id for ref in index][-1] == "again"
    (best,) = index.query_ids("again", top_k=1, show_all=True)
    assert (best.reference_id, best.score) == ("5", 1.0)


def test_an_older_one_is_read_as_it_is_and_brought_up_to_date_when_written(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "v1", tmp_path / "index")
    before = migrations(path)
    with Index.open(path) as index:
        assert len(index) == 38
        assert migrations(path) == before == ["0001_initial"]
        index.remove("image-0")
        assert migrations(path) == list(CATALOG.migrations)
        assert len(index) == 37


def migrations(path: Path) -> list[str]:
    return [name for (name,) in rows(path, "SELECT name FROM _sqlite_migrations ORDER BY 1")]
