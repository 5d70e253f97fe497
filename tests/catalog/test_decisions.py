"""The table of decisions: checked, salvaged, and absent from indexes of earlier formats."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.on_disk import rows
from vecsim import Index
from vecsim.index.repair import repair
from vecsim.index.verify import verify

GOLDEN = Path(__file__).parents[1] / "index" / "golden"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the golden index v3 with three decisions."""
    path = shutil.copytree(GOLDEN / "v3", tmp_path / "index")
    with Index.open(path) as index:
        index.decide("image-0", "image-1", "same")
        index.decide("image-1", "image-2", "different")
        index.decide("image-4", "image-5", "different")
    return path


def decisions(path: Path) -> list[tuple]:
    return rows(path, "SELECT pair, verdict, decided_at FROM decisions ORDER BY pair")


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "bundled-1"])
def test_an_index_of_an_earlier_format_has_no_decisions_until_it_is_changed(
    name: str, tmp_path: Path
) -> None:
    path = shutil.copytree(GOLDEN / name, tmp_path / "index")
    applied = rows(path, "SELECT name FROM _sqlite_migrations")
    with Index.open(path) as index:
        assert index.decisions == []
        assert index.verify() == []
        assert rows(path, "SELECT name FROM _sqlite_migrations") == applied
        ids = [ref.id for ref in index][:2]
        if name in ("v3", "bundled-1"):
            made = index.decide(*ids, "different")
            (listed,) = index.decisions
            assert listed.decision == made
            assert {listed.first.id, listed.second.id} == set(ids)  # type: ignore[union-attr]
        assert index.verify() == []


def test_a_changed_decision_is_damage_and_the_others_are_salvaged(path: Path) -> None:
    before = decisions(path)
    with closing(sqlite3.connect(path / "catalog.db")) as connection:
        connection.execute("UPDATE decisions SET verdict = 'same' WHERE pair = ?", before[0][:1])
        connection.commit()
    (problem,) = verify(path)
    assert problem.what.startswith(f"decisions: the row of {before[0][0]} is damaged")

    repair(path)

    assert decisions(path) == before[1:]
    assert list(verify(path)) == []


def test_decisions_are_salvaged_where_the_first_page_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with Index.create(path, "phash") as index:
        index.add([str(file) for file in sorted((GOLDEN.parents[2] / "demo" / "images").iterdir())])
        ids = [ref.id for ref in index]
        for other in ids[1:]:
            index.decide(ids[0], other, "different")
    before = decisions(path)
    assert len(before) == 5
    data = bytearray((path / "catalog.db").read_bytes())
    data[:4096] = bytes(4096)
    (path / "catalog.db").write_bytes(data)
    assert list(verify(path))

    repair(path)

    assert decisions(path) == before
    assert list(verify(path)) == []


def test_decisions_of_an_index_that_was_brought_up_to_date_are_salvaged_too(path: Path) -> None:
    with Index.open(path) as index:
        index.decide("image-0", "image-1", "different")  # the older decision stays in free space
    before = decisions(path)
    data = bytearray((path / "catalog.db").read_bytes())
    data[:4096] = bytes(4096)
    (path / "catalog.db").write_bytes(data)

    repair(path)

    assert decisions(path) == before
    assert list(verify(path)) == []


def test_compacting_keeps_decisions_about_pictures_that_are_gone(path: Path) -> None:
    before = decisions(path)
    with Index.open(path) as index:
        index.remove([ref.id for ref in index])
        index.close()
        index.compact()
        assert [(each.first, each.second) for each in index.decisions] == [(None, None)] * 3
        assert index.verify() == []
    assert decisions(path) == before
