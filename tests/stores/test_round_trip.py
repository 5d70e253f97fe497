"""An index handed over to each kind of store comes back as it was, and searches there agree."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.stores import FACTS, KINDS, Kind
from vecsim import Index
from vecsim.errors import StorageError
from vecsim.index import Snapshot
from vecsim.index.writer import Writer
from vecsim.operations import handover
from vecsim.records import Embedded, ImageRef

# The quick tests write to each kind of store; those of its details take only files.
DETAILS = [
    pytest.param(name, marks=[pytest.mark.slow] if kind.is_database else [])
    for name, kind in KINDS.items()
]
in_detail = pytest.mark.parametrize("kind", DETAILS, indirect=True)


def _content(path: Path) -> tuple[list[object], bytes]:
    with Snapshot(path) as snapshot:
        rows = [(row.ref, row.facts) for row in snapshot.all_rows()]
        return rows, snapshot.vectors_of(snapshot.keys()).tobytes()


def _add(path: Path, count: int, dim: int) -> None:
    """Add images with facts about their pictures."""
    vectors = np.eye(count, dim, dtype=np.float32)
    refs = [ImageRef(f"more-{n}", f"/pictures/{n}.jpg") for n in range(count)]
    with Writer(path) as writer:
        writer.commit([Embedded(r, FACTS, v) for r, v in zip(refs, vectors, strict=True)])


def test_an_index_comes_back_as_it_was(kind: Kind, index: Path, tmp_path: Path) -> None:
    _add(index, 5, 24)
    place = kind.address(tmp_path)
    with Index.open(index) as shop:
        assert shop.export_to(place).count == 305
    with Index.import_from(tmp_path / "back", place) as back:
        assert _content(back.path) == _content(index)
        assert back.fingerprint == shop.fingerprint
        assert back.verify() == []
    again = Index.import_from(tmp_path / "back", place)
    assert len(again) == 305


@in_detail
def test_the_search_of_the_store_finds_the_same(kind: Kind, index: Path, tmp_path: Path) -> None:
    place = kind.address(tmp_path)
    Index.open(index).export_to(place)
    queries = np.random.default_rng(1).normal(size=(4, 24)).astype(np.float32)
    with Index.open(index) as shop:
        answers = [[m.reference_id for m in shop.query(query, top_k=10)] for query in queries]
    assert kind.top_k(place, queries, 10) == answers


def test_an_interrupted_export_continues(
    kind: Kind, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "rows_at_once", lambda dim: 100)
    place = handover.Place(kind.address(tmp_path))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handover.export_to(index, place, progress=interrupt)
    if kind.is_database:
        with pytest.raises(handover.InputError, match="interrupted"):
            handover.import_from(tmp_path / "early", place)
    done = handover.export_to(index, place)

    assert (done.count, done.written) == (300, 200)
    handover.import_from(tmp_path / "back", place)
    assert _content(tmp_path / "back") == _content(index)
    assert not [*tmp_path.glob("*.partial")]


@in_detail
def test_what_an_interrupted_export_left_of_another_state_is_not_used(
    kind: Kind, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "rows_at_once", lambda dim: 100)
    place = handover.Place(kind.address(tmp_path))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handover.export_to(index, place, progress=interrupt)
    Index.open(index).remove("item-7")
    if kind.is_database:
        with pytest.raises(StorageError, match="holds other rows"):
            handover.export_to(index, place)
    else:
        assert handover.export_to(index, place).count == 299
        handover.import_from(tmp_path / "back", place)
        assert _content(tmp_path / "back") == _content(index)


KILLED = """
import os, signal, sys
from pathlib import Path
from vecsim.operations import handover
handover.rows_at_once = lambda dim: 100
call = getattr(handover, sys.argv[1])
die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL)
call(Path(sys.argv[2]), handover.Place(sys.argv[3]), progress=die)
"""


@pytest.mark.slow
def test_a_killed_export_and_a_killed_import_continue(
    kind: Kind, index: Path, tmp_path: Path
) -> None:
    place, back = kind.address(tmp_path), tmp_path / "back"
    for call, path in (("export_to", index), ("import_from", back)):
        ended = subprocess.run([sys.executable, "-c", KILLED, call, path, place])
        assert ended.returncode == -signal.SIGKILL
        done = getattr(handover, call)(path, handover.Place(place))
        assert (done.count, done.written) == (300, 200)
    assert _content(back) == _content(index)


@in_detail
def test_an_interrupted_import_continues(
    kind: Kind, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "rows_at_once", lambda dim: 100)
    place = handover.Place(kind.address(tmp_path))
    handover.export_to(index, place)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handover.import_from(tmp_path / "back", place, progress=interrupt)
    done = handover.import_from(tmp_path / "back", place)

    assert (done.count, done.written) == (300, 200)
    assert _content(tmp_path / "back") == _content(index)


@in_detail
def test_a_later_export_adds_what_is_new(kind: Kind, index: Path, tmp_path: Path) -> None:
    place = handover.Place(kind.address(tmp_path))
    handover.export_to(index, place)
    _add(index, 2, 24)
    done = handover.export_to(index, place)
    assert (done.count, done.written) == (302, 2 if kind.is_database else 302)
    handover.import_from(tmp_path / "back", place)
    assert _content(tmp_path / "back") == _content(index)


@in_detail
def test_a_database_with_other_rows_is_named_and_overwritten_on_demand(
    kind: Kind, index: Path, tmp_path: Path
) -> None:
    place = handover.Place(kind.address(tmp_path))
    handover.export_to(index, place)
    Index.open(index).remove("item-7")
    if kind.is_database:
        with pytest.raises(StorageError, match="holds other rows than the index has"):
            handover.export_to(index, place)
    done = handover.export_to(index, place, overwrite=True)
    assert (done.count, done.written) == (299, 299)
    other = Index.from_vectors(tmp_path / "other", np.eye(3), "abc")
    with pytest.raises(StorageError, match="holds vectors of clip"):
        other.export_to(place.address)


@pytest.mark.parametrize("kind", ["parquet", "faiss"], indirect=True)
def test_an_empty_index_is_handed_over(kind: Kind, tmp_path: Path) -> None:
    Index.create(tmp_path / "empty", "phash").export_to(kind.address(tmp_path))
    back = Index.import_from(tmp_path / "back", kind.address(tmp_path))
    assert (len(back), back.fingerprint.model) == (0, "phash")


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_20000_real_vectors_come_back(
    name: str, shared: Path, tmp_path: Path, other_disk: Path
) -> None:
    """In memory: the folders of Qdrant are synced to the disk after each point."""
    kind = KINDS[name]
    kind.require()
    found = np.load(shared / "features" / "source2.float16.npy", mmap_mode="r")
    vectors = found[:20_000].astype(np.float32)
    ids = [f"item-{n}" for n in range(len(vectors))]
    urls = [f"http://shop.example/{n}.jpg" for n in range(len(vectors))]
    fields = [{"title": f"number {n}"} for n in range(len(vectors))]
    place = kind.address(other_disk)
    with Index.from_vectors(tmp_path / "shop", vectors, ids, urls=urls, fields=fields) as shop:
        assert shop.export_to(place).count == 20_000
        with Index.import_from(tmp_path / "back", place) as back:
            assert _content(back.path) == _content(shop.path)
            queries = shop.snapshot.vectors_of(np.arange(1, 20_000, 997))
            ours = [[m.reference_id for m in back.query(q, top_k=10)] for q in queries]
        unit = shop.snapshot.vectors_of(shop.snapshot.keys())
        theirs = kind.top_k(place, queries, 10)
    row = {id_: number for number, id_ in enumerate(ids)}
    for query, mine, yours in zip(queries, ours, theirs, strict=True):
        # Pictures that are there twice have equal scores, of which any may be named.
        scores = [unit[[row[i] for i in found]] @ query for found in (mine[:10], yours)]
        np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
