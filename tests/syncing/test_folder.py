"""`vecsim sync` with a folder: new, changed, renamed and deleted files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from support.commands import run_bound_by_modes
from support.commands import run_here as run
from support.on_disk import added_at, file_names, state
from support.shop import picture


@pytest.fixture
def index(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "index"
    run("build-index", path, folder)
    return path


def test_a_file_that_is_gone_leaves_the_index(index: Path, folder: Path) -> None:
    (folder / "a" / "3.png").unlink()
    (folder / "new.png").write_bytes(picture(20))
    printed = run("sync", index, folder)
    assert "10 listed; 1 added, 1 removed." in printed
    assert file_names(index) == sorted([*(f"{n}.png" for n in range(10) if n != 3), "new.png"])


def test_an_unchanged_folder_changes_nothing(index: Path, folder: Path) -> None:
    before = state(index), added_at(index)
    printed = run("sync", index, folder)
    # Files that are as new as their index are read again.
    assert "10 listed; nothing changed." in printed or "10 checked and unchanged." in printed
    assert (state(index), added_at(index)) == before


def test_renamed_and_moved_files_keep_vector_and_time(
    index: Path, folder: Path, tmp_path: Path
) -> None:
    times, vectors = added_at(index), state(index)
    (folder / "a").rename(folder / "c")
    (folder / "b" / "7.png").rename(folder / "seven.png")
    printed = run("sync", index, folder, "--output", tmp_path / "changes.csv")
    assert "10 listed; 6 moved" in printed and "removed" not in printed
    assert file_names(index) == sorted([*(f"{n}.png" for n in range(10) if n != 7), "seven.png"])
    old, new = str(folder / "a" / "1.png"), str(folder / "c" / "1.png")
    assert added_at(index)[new] == times[old]
    assert state(index)[new][2] == vectors[old][2]
    with (tmp_path / "changes.csv").open() as file:
        changes = list(csv.DictReader(file))
    moved = {(c["previous_id"], c["id"]) for c in changes if c["change"] == "moved"}
    assert (old, new) in moved and len(moved) == 6
    run("verify", index)


def test_a_changed_file_is_read_again_and_counts_as_added(index: Path, folder: Path) -> None:
    times, vectors = added_at(index), state(index)
    file = folder / "b" / "8.png"
    file.write_bytes(picture(30))
    assert "1 changed" in run("sync", index, folder)
    assert added_at(index)[str(file)] > times[str(file)]
    assert state(index)[str(file)][2] != vectors[str(file)][2]


def test_a_dry_run_changes_nothing_and_finds_renames(index: Path, folder: Path) -> None:
    before = state(index), added_at(index)
    (folder / "a" / "1.png").rename(folder / "one.png")
    (folder / "a" / "2.png").unlink()
    (folder / "new.png").write_bytes(picture(20))
    printed = run("sync", index, folder, "--dry-run")
    assert "dry run, nothing was changed: 10 listed; 1 added, 1 moved, 1 removed" in printed
    for line in ("added,", "moved,", "removed,"):
        assert any(row.startswith(line) for row in printed.splitlines())
    assert (state(index), added_at(index)) == before


def test_a_loss_of_more_than_a_fifth_is_refused(index: Path, folder: Path) -> None:
    before = state(index)
    for number in range(3):
        (folder / "a" / f"{number}.png").unlink()
    printed = run("sync", index, folder, status=1)
    assert "no longer lists 3 of its 10 images (30 %), more than the 20 %" in printed
    assert "--max-remove 30" in printed
    assert state(index) == before
    assert "3 removed" in run("sync", index, folder, "--max-remove", "30")


def test_an_empty_folder_removes_nothing(index: Path, folder: Path) -> None:
    for file in folder.rglob("*.png"):
        file.unlink()
    printed = run("sync", index, folder, "--max-remove", "100", status=1)
    assert "lists no images" in printed and "--allow-empty" in printed
    assert len(file_names(index)) == 10
    assert "10 removed" in run("sync", index, folder, "--allow-empty")
    assert file_names(index) == []


def test_a_file_that_is_hidden_now_is_kept(index: Path, folder: Path) -> None:
    times = added_at(index)
    hidden = folder / ".hidden"
    (folder / "a").rename(hidden)
    (folder / "a").symlink_to(hidden)  # links to folders are not followed
    printed = run("sync", index, folder)
    assert "5 files no longer listed but still there" in printed
    assert added_at(index) == times


def test_an_unreadable_folder_removes_nothing_below_it(index: Path, folder: Path) -> None:
    (folder / "b" / "9.png").unlink()
    (folder / "a").chmod(0)
    try:
        told = run_bound_by_modes("sync", index, folder, "--dry-run", status=3)
        printed = run_bound_by_modes("sync", index, folder, status=3)
    finally:
        (folder / "a").chmod(0o755)
    for text in (told, printed):
        assert f"{folder / 'a'}: Permission denied" in text
        assert "Nothing below a folder that cannot be read was removed." in text
        assert "4 listed; 1 removed." in text
        assert "5 files no longer listed but still there" in text
    assert file_names(index) == [f"{n}.png" for n in range(9)]


def test_missing_files_can_be_kept_and_come_back(index: Path, folder: Path) -> None:
    file = folder / "a" / "4.png"
    data = file.read_bytes()
    file.unlink()
    assert "1 marked as missing" in run("sync", index, folder, "--keep-missing")
    assert len(file_names(index)) == 10
    assert "marked" not in run("sync", index, folder, "--keep-missing")
    file.write_bytes(data)
    run("sync", index, folder, "--keep-missing")
    file.unlink()
    assert "1 removed" in run("sync", index, folder)


def test_the_failure_of_a_broken_link_goes_when_its_file_is_back(
    index: Path, folder: Path, tmp_path: Path
) -> None:
    original, link = tmp_path / "original.png", folder / "a" / "4.png"
    link.rename(original)
    link.symlink_to(original)
    run("sync", index, folder)
    original.rename(tmp_path / "away.png")
    run("sync", index, folder, status=3)
    assert str(link) in run("failures", index)
    (tmp_path / "away.png").rename(original)
    run("sync", index, folder)
    assert str(link) not in run("failures", index)
    assert len(file_names(index)) == 10


def test_the_folder_is_the_same_through_a_link(index: Path, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    printed = run("sync", index, link)
    assert "added" not in printed and "removed" not in printed
    assert len(file_names(index)) == 10


def test_an_index_that_does_not_exist_is_an_error(folder: Path, tmp_path: Path) -> None:
    assert "build-index" in run("sync", tmp_path / "none", folder, status=1)
