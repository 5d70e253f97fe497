"""Links, pipes and foreign names in an index folder: nothing is reached through them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.commands import run
from support.on_disk import segment_files
from support.security.world import facts
from vecsim import Index
from vecsim.contained import LINKED_FOLDERS
from vecsim.errors import MisplacedFileError
from vecsim.index.layout import IndexFolder
from vecsim.index.repair import repair
from vecsim.index.verify import verify

FOLDERS = ("segments", "sketches", "damaged")
PARTS = [*FOLDERS, "writer.lock", "reader.lock", "fingerprint.json", "thumbnails.db"]

Said = Callable[..., str]


def replace_by_link(part: Path, victim: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
    part.symlink_to(victim if part.name in FOLDERS else victim / "bashrc")


@pytest.mark.parametrize("part", [*PARTS, "catalog.db", "catalog.db-wal"])
def test_a_link_in_the_place_of_a_part_is_named_and_not_followed(
    part: str, path: Path, victim: Path, said: Said
) -> None:
    replace_by_link(path / part, victim)

    for command in (["info", path], ["remove", path, "1"], ["compact", path]):
        text = said(*command)
        assert f"{path / part}: a link to '{victim}" in text
        assert f"set it aside with: vecsim repair {path}" in text
    assert [problem.file for problem in verify(path)] == [path / part]


@pytest.mark.parametrize("part", [*PARTS, "catalog.db-wal"])
def test_repair_sets_a_link_aside(part: str, path: Path, victim: Path) -> None:
    replace_by_link(path / part, victim)

    done = repair(path)

    assert [each.name for each in path.glob("damaged/*/*") if each.is_symlink()] == [part]
    assert (done.kept, done.lost) == ((0, 30) if part == "segments" else (30, 0))
    assert list(verify(path)) == []


def test_repair_needs_the_catalog_itself(path: Path, tmp_path: Path) -> None:
    shutil.move(path / "catalog.db", tmp_path / "elsewhere.db")
    (path / "catalog.db").symlink_to(tmp_path / "elsewhere.db")

    with pytest.raises(MisplacedFileError, match="a link to"):
        repair(path)

    assert not (path / "damaged").exists()


@pytest.mark.parametrize(
    "name", ["catalog.db-wal", "reader.lock", "writer.lock", "fingerprint.json", "thumbnails.db"]
)
def test_a_pipe_makes_no_command_wait(name: str, path: Path, said: Said) -> None:
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)

    for command in (["info", path], ["verify", path], ["remove", path, "1"]):
        assert f"{path / name}: a named pipe" in said(*command)
    assert repair(path).kept == 30


def test_a_segment_that_is_a_pipe_or_a_link_is_damage(
    path: Path, tmp_path: Path, said: Said
) -> None:
    file = segment_files(path)[1]
    other = tmp_path / "other.faiss"
    file.rename(other)
    kept = facts(other)
    os.mkfifo(file)
    assert f"{file}: a named pipe" in said("info", path)
    file.unlink()
    file.symlink_to(other)

    assert f"{file}: a link to '{other}'" in said("remove", path, "1")
    assert repair(path).lost == 10
    assert facts(other) == kept


def test_sweeping_deletes_only_files_that_vecsim_names(path: Path) -> None:
    left = path / "segments" / "000000000900-000000000901.4.faiss"
    left.write_bytes(b"left by a killed run")
    notes = [path / name for name in ("segments/notes.txt", "sketches/notes/a.txt", "notes.txt")]
    for note in notes:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("mine")

    run("remove", path, "1")
    run("compact", path)

    assert not left.exists()
    assert [note.read_text() for note in notes] == ["mine"] * 3


@pytest.mark.parametrize(
    "name",
    [
        "../../other/segments/000000000001-000000000015.1.faiss",
        "/etc/hostname",
        "../catalog.db",
        "notes.txt",
        "000000000001-000000000014.1.faiss",  # as vecsim names them, but of other keys
    ],
)
def test_a_segment_of_another_place_is_not_opened(name: str, path: Path, said: Said) -> None:
    other = path.with_name("other")
    shutil.copytree(path, other)
    before = facts(other)
    with closing(sqlite3.connect(path / "catalog.db")) as catalog, catalog:
        catalog.execute(
            "UPDATE segments SET name = ?, checksum = NULL WHERE name = ?",
            [name, segment_files(path)[0].name],
        )

    for command in (["info", path], ["remove", path, *map(str, range(14))], ["compact", path]):
        text = said(*command)
        assert f"{path / 'catalog.db'}: the catalog is damaged (it names '{name}'" in text
    assert list(verify(path)) != []
    repair(path)

    assert list(verify(path)) == []
    assert facts(other) == before


@pytest.mark.parametrize("write", [False, True])
def test_no_other_file_is_written_through_a_hard_link(write: bool, path: Path, said: Said) -> None:
    """An index and its backup of hard links share a catalog, and must not share changes."""
    other = path.with_name("other")
    shutil.copytree(path, other)
    (other / "writer.lock").write_text("of the other")
    for name in ("catalog.db", "writer.lock"):
        (path / name).unlink()
        os.link(other / name, path / name)
    kept = (other / "catalog.db").read_bytes()

    if write:
        assert "hard links" in said("remove", path, "1")
        assert repair(path).kept == 30
        run("remove", path, "1")
    else:
        run("info", path)

    assert (other / "catalog.db").read_bytes() == kept
    assert (other / "writer.lock").read_text() == "of the other"


@pytest.mark.ci
def test_an_index_that_is_reached_through_a_link_works(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)

    run("remove", link, "1")
    run("compact", link)

    assert "29" in run("info", link)
    assert run("verify", link).endswith("no problems found.\n")


def test_the_user_may_allow_links_to_a_shared_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared" / "i"
    shared.mkdir(parents=True)
    shutil.move(path / "segments", shared / "segments")
    (path / "segments").symlink_to(shared / "segments")
    with pytest.raises(MisplacedFileError):
        Index.open(path)
    monkeypatch.setenv(LINKED_FOLDERS, str(tmp_path / "shared"))

    with Index.open(path) as index:
        assert len(index) == 30
        assert index.remove("1") == 1
        index.compact()
    assert list(verify(path)) == []
    assert IndexFolder(path).segments.resolved().path == shared / "segments"

    monkeypatch.setenv(LINKED_FOLDERS, str(tmp_path / "elsewhere"))
    with pytest.raises(MisplacedFileError):
        Index.open(path)
