"""`vecsim verify` and `vecsim repair` with damaged rows of sources and owners."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from support.commands import run_here as run
from support.on_disk import file_names, rows


def change(index: Path, sql: str) -> None:
    with closing(sqlite3.connect(index / "catalog.db")) as connection:
        connection.execute(sql)
        connection.commit()


def test_a_changed_owner_is_damage_that_repair_leaves_out(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run("build-index", index, folder)
    change(index, "UPDATE owners SET id = 'another' WHERE number = 3")
    assert "owners: the row of 3 is damaged" in run("verify", index, status=1)
    run("repair", index)
    run("verify", index)
    assert rows(index, "SELECT count(*) FROM owners") == [(9,)]
    (folder / "a" / "0.png").unlink()
    assert "1 removed" in run("sync", index, folder)
    assert rows(index, "SELECT count(*) FROM owners") == [(9,)]


def test_claims_of_a_lost_source_are_not_those_of_a_new_one(folder: Path, tmp_path: Path) -> None:
    index, other = tmp_path / "index", tmp_path / "other"
    run("build-index", index, folder)
    change(index, "UPDATE sources SET place = 'changed'")
    run("repair", index)
    other.mkdir()
    (other / "new.png").write_bytes((folder / "a" / "1.png").read_bytes())
    run("sync", index, other)
    assert len(file_names(index)) == 11, "the images of the lost source stay"
