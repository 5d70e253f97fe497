"""Whatever is applied to a random folder, each picture keeps a copy, and `undo` brings all back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.kills import killed_at
from support.trees import hashes, tree, whole_tree
from support.word_folders import THRESHOLD, WORDS, choices, ids, index_folder, names, write
from vecsim.errors import VecsimError
from vecsim.operations.applying import ApplyRequest, Choice, apply_choices, undo

PLACES = [f"{folder}{name}" for folder in ("", "x/", "x/y/") for name in ("1", "2", "3", "4.jpg")]
METHODS = ("move", "trash", "hardlink", "symlink", "delete")


class Machine:
    """A folder, its index and its journal, which random commands change."""

    def __init__(self, base: Path, data: st.DataObject) -> None:
        self.base, self.data = base, data
        self.folder, self.index = base / "p", base / "i"
        self.gone, self.journal = base / "gone", base / "j"
        os.environ["XDG_DATA_HOME"] = str(base / "share")
        for place in self.draw(st.sets(st.sampled_from(PLACES), min_size=4, max_size=9)):
            write(self.folder / place, self.draw(st.sampled_from(WORDS)))
        for _ in range(self.draw(st.integers(0, 2))):
            self.change("link", "symlink")

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def found(self) -> set[str]:
        return hashes(self.folder, self.gone, self.base / "share/Trash/files")

    def change(self, *kinds: str) -> None:
        """Change one file as another program would; the target may exist already."""
        here = names(self.folder)
        if not here:
            return
        path = self.draw(st.sampled_from(here))
        other = self.folder / self.draw(st.sampled_from(PLACES))
        kind = self.draw(st.sampled_from(kinds))
        if kind == "delete":
            path.unlink()
        elif kind == "overwrite":
            write(path, self.draw(st.sampled_from(WORDS)))
        elif not os.path.lexists(other):
            other.parent.mkdir(parents=True, exist_ok=True)
            if kind == "copy":
                write(other, path.read_text())
            elif kind == "move":
                path.rename(other)
            elif kind == "link":
                os.link(os.path.realpath(path), other)
            else:
                other.symlink_to(os.path.relpath(path, other.parent))

    def choose(self) -> list[Choice]:
        """A list of groups by picture, each with at least one kept; at times with a mistake."""
        by_letter: dict[str, list[Path]] = {}
        for path in names(self.folder):
            letter = path.read_text()[0] if self.draw(st.integers(0, 19)) else "a"
            by_letter.setdefault(letter, []).append(path)
        groups = []
        for paths in by_letter.values():
            kept = self.draw(st.sampled_from(paths))
            groups.append([(path, path == kept or self.draw(st.booleans())) for path in paths])
            if self.draw(st.integers(0, 3)):
                groups[-1] = [(path, path == kept) for path in paths]
        return choices(groups)

    def apply(self, listed: list[Choice], method: str, kill: int) -> None:
        folder = self.gone if method == "move" else None
        request = ApplyRequest(method, folder, THRESHOLD, self.journal)
        with killed_at(kill, self.base):
            try:
                apply_choices(self.index, listed, request)
            except VecsimError:
                return

    def undo(self, kill: int) -> None:
        if self.journal.exists():
            with killed_at(kill, self.base):
                undo(self.journal)


def _letters(machine: Machine) -> set[str]:
    return {about[1][:1].decode() for about in tree(machine.folder).values() if about[0] == "file"}


KILLS = st.one_of(st.just(0), st.integers(1, 80))


def check_that_all_comes_back(data: st.DataObject) -> None:
    """Apply with any method and kills, and undo it with kills: all is as it was."""
    with tempfile.TemporaryDirectory() as made:
        machine = Machine(Path(made), data)
        index_folder(machine.index, machine.folder)
        before, known = whole_tree(machine.folder), ids(machine.index)
        for _ in range(data.draw(st.integers(1, 2))):
            method = data.draw(st.sampled_from(METHODS[:-1]))
            listed = machine.choose()
            for kill in (data.draw(KILLS), 0)[: data.draw(st.integers(1, 2))]:
                machine.apply(listed, method, kill)
        machine.undo(data.draw(KILLS))
        machine.undo(0)
        assert whole_tree(machine.folder) == before
        assert ids(machine.index) == known


def check_that_no_picture_is_lost(data: st.DataObject) -> None:
    """Any commands, and changes by others between them: no command loses a picture."""
    with tempfile.TemporaryDirectory() as made:
        machine = Machine(Path(made), data)
        index_folder(machine.index, machine.folder)
        for _ in range(data.draw(st.integers(1, 6))):
            if data.draw(st.booleans()):
                machine.change("delete", "overwrite", "copy", "move", "link", "symlink")
            if data.draw(st.booleans()):
                index_folder(machine.index, machine.folder)
            found, letters = machine.found(), _letters(machine)
            if data.draw(st.integers(0, 3)):
                method = data.draw(st.sampled_from(METHODS))
                machine.apply(machine.choose(), method, data.draw(KILLS))
            else:
                method = "undo"
                machine.undo(data.draw(KILLS))
            if method == "delete":
                assert _letters(machine) >= letters
            else:
                assert machine.found() >= found


@pytest.fixture(autouse=True)
def _trash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variable that each example sets."""
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")


QUICK = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
LONG = settings(QUICK, max_examples=3000)


@QUICK
@given(st.data())
def test_undo_brings_everything_back(data: st.DataObject) -> None:
    check_that_all_comes_back(data)


@QUICK
@given(st.data())
def test_no_command_loses_a_picture(data: st.DataObject) -> None:
    check_that_no_picture_is_lost(data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_undo_brings_everything_back_at_length(data: st.DataObject) -> None:
    check_that_all_comes_back(data)


@pytest.mark.slow
@LONG
@given(st.data())
def test_no_command_loses_a_picture_at_length(data: st.DataObject) -> None:
    check_that_no_picture_is_lost(data)
