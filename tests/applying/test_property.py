"""Whatever is applied to a random folder, each picture keeps a copy, and `undo` brings all back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from support.kills import killed_at
from support.random_folder import METHODS, RandomFolder, check_examples
from support.trees import tree, whole_tree
from support.word_folders import choices, ids, index_folder
from vecsim.errors import VecsimError
from vecsim.operations.applying import Choice, apply_choices, undo

PLACES = [f"{folder}{name}" for folder in ("", "x/", "x/y/") for name in ("1", "2", "3", "4.jpg")]


class IndexedFolder(RandomFolder):
    """A folder, its index and its journal, which random commands change."""

    def choose(self) -> list[Choice]:
        """A list of groups by picture, each with at least one kept; at times with a mistake."""
        letters = {
            path: path.read_text()[0] if self.draw(st.integers(0, 19)) else "a"
            for path in self.files()
        }
        return choices(
            _with_one_kept(group) if self.draw(st.integers(0, 3)) else group
            for group in self.grouped(letters)
        )

    def apply(self, listed: list[Choice], method: str, kill: int) -> None:
        with killed_at(kill, self.base):
            try:
                apply_choices(self.index, listed, self.request(method))
            except VecsimError:
                return

    def undo(self, kill: int) -> None:
        if self.journal.exists():
            with killed_at(kill, self.base):
                undo(self.journal)


def _with_one_kept(group: list[tuple[Path, bool]]) -> list[tuple[Path, bool]]:
    kept = next(path for path, keep in group if keep)
    return [(path, path == kept) for path, _ in group]


def _letters(world: IndexedFolder) -> set[str]:
    return {about[1][:1].decode() for about in tree(world.folder).values() if about[0] == "file"}


KILLS = st.one_of(st.just(0), st.integers(1, 80))


def check_that_all_comes_back(data: st.DataObject) -> None:
    """Apply with any method and kills, and undo it with kills: all is as it was."""
    with tempfile.TemporaryDirectory() as made:
        world = IndexedFolder(Path(made), data, PLACES)
        index_folder(world.index, world.folder)
        before, known = whole_tree(world.folder), ids(world.index)
        for _ in range(data.draw(st.integers(1, 2))):
            method = data.draw(st.sampled_from(METHODS[:-1]))
            listed = world.choose()
            for kill in (data.draw(KILLS), 0)[: data.draw(st.integers(1, 2))]:
                world.apply(listed, method, kill)
        world.undo(data.draw(KILLS))
        world.undo(0)
        assert whole_tree(world.folder) == before
        assert ids(world.index) == known


def check_that_no_picture_is_lost(data: st.DataObject) -> None:
    """Any commands, and changes by others between them: no command loses a picture."""
    with tempfile.TemporaryDirectory() as made:
        world = IndexedFolder(Path(made), data, PLACES)
        index_folder(world.index, world.folder)
        for _ in range(data.draw(st.integers(1, 6))):
            if data.draw(st.booleans()):
                world.change("delete", "overwrite", "copy", "move", "link", "symlink")
            if data.draw(st.booleans()):
                index_folder(world.index, world.folder)
            readable, letters = world.readable(), _letters(world)
            if data.draw(st.integers(0, 3)):
                method = data.draw(st.sampled_from(METHODS))
                world.apply(world.choose(), method, data.draw(KILLS))
            else:
                method = "undo"
                world.undo(data.draw(KILLS))
            if method == "delete":
                assert _letters(world) >= letters
            else:
                assert world.readable() >= readable


@pytest.fixture(autouse=True)
def _trash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variable that each example sets."""
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")


@pytest.mark.parametrize("count", [30, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_undo_brings_everything_back(count: int) -> None:
    check_examples(count, check_that_all_comes_back)


@pytest.mark.parametrize("count", [30, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_no_command_loses_a_picture(count: int) -> None:
    check_examples(count, check_that_no_picture_is_lost)
