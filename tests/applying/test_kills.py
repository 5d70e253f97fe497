"""`apply` and `undo` ended at each change of a file: nothing is lost, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.kills import killed_at, was_killed
from support.trees import hashes, whole_tree
from support.word_folders import THRESHOLD, choices, ids, index_folder, write
from vecsim.index.writer import Writer
from vecsim.operations.applying import ApplyRequest, apply_choices, undo

METHODS = ("move", "trash", "hardlink", "symlink", "delete")


class World:
    """A folder of two groups, its index and the list that gives up three files."""

    def __init__(self, base: Path, method: str, gone: Path) -> None:
        self.base, self.method, self.gone = base, method, gone
        self.folder, self.index, self.journal = base / "p", base / "i", base / "j"
        for name, word in {"1": "a1", "x/2": "a1", "x/3": "a1", "4": "b1", "y/5": "b1"}.items():
            write(self.folder / name, word)
        index_folder(self.index, self.folder)
        p = self.folder
        self.choices = choices(
            [
                [(p / "1", True), (p / "x/2", False), (p / "x/3", False)],
                [(p / "4", True), (p / "y/5", False)],
            ]
        )
        self.tree, self.ids = whole_tree(p), ids(self.index)
        self.hashes = hashes(p)

    def apply(self) -> None:
        folder = self.gone if self.method == "move" else None
        request = ApplyRequest(self.method, folder, THRESHOLD, self.journal)
        apply_choices(self.index, self.choices, request)

    def found(self) -> set[str]:
        return hashes(self.folder, self.gone, self.base / "share/Trash/files")

    def is_applied(self) -> bool:
        if self.method in ("hardlink", "symlink"):
            kept = self.folder / "1"
            return all((self.folder / name).samefile(kept) for name in ("x/2", "x/3"))
        return ids(self.index) == {str(self.folder / name) for name in ("1", "4")}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path


STRIDES = [7, pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.ci
def test_apply_ended_at_each_change_goes_on(base: Path, method: str, stride: int) -> None:
    _walk_apply(base, method, base / "gone", stride)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.ci
def test_a_move_to_another_disk_ended_at_each_change_goes_on(
    base: Path, other_disk: Path, stride: int
) -> None:
    _walk_apply(base, "move", other_disk / "gone", stride)


def _walk_apply(base: Path, method: str, gone: Path, stride: int) -> None:
    for number in range(1, 1000, stride):
        world = World(base / str(number), method, gone / str(number))
        with killed_at(number, base):
            world.apply()
        ended = was_killed()
        assert world.found() >= world.hashes, number
        if number % 2 or not ended:
            world.apply()
            assert world.is_applied(), number
            assert world.found() >= world.hashes
        if method != "delete" and world.journal.exists():
            assert not [file for file in undo(world.journal).files if file.why]
            assert (whole_tree(world.folder), ids(world.index)) == (world.tree, world.ids), number
        if not ended:
            assert number > 10
            return
    raise AssertionError("never ended by itself")


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("method", METHODS[:-1])
@pytest.mark.ci
def test_undo_ended_at_each_change_goes_on(base: Path, method: str, stride: int) -> None:
    _walk_undo(base, method, base / "gone", stride)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.ci
def test_an_undo_from_another_disk_ended_at_each_change_goes_on(
    base: Path, other_disk: Path, stride: int
) -> None:
    _walk_undo(base, "move", other_disk / "gone", stride)


def _walk_undo(base: Path, method: str, gone: Path, stride: int) -> None:
    for number in range(1, 1000, stride):
        world = World(base / str(number), method, gone / str(number))
        world.apply()
        with killed_at(number, base):
            undo(world.journal)
        ended = was_killed()
        assert world.found() >= world.hashes, number
        report = undo(world.journal)
        assert not [file for file in report.files if file.why], (number, report.files)
        assert (whole_tree(world.folder), ids(world.index)) == (world.tree, world.ids), number
        if not ended:
            assert number > 10
            return
    raise AssertionError("never ended by itself")


def test_a_kill_between_the_journal_and_the_index(base: Path, monkeypatch) -> None:
    world = World(base, "move", base / "gone")

    class Stop(BaseException):
        pass

    def stop(self: Writer, ids: list[str]) -> int:
        raise Stop

    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(Writer, "remove", stop)
        world.apply()
    assert ids(world.index) == world.ids
    world.apply()
    assert world.is_applied()
    undo(world.journal)
    assert (whole_tree(world.folder), ids(world.index)) == (world.tree, world.ids)
