"""Random folders that an index follows: no command loses a picture, and `undo` brings all back.

Files are copied, linked, moved and deleted between the commands, and `sync`, `apply` and `undo` are
killed at any file operation or SQL statement.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from support.followed_folder import FollowedFolder
from support.random_folder import METHODS, check_examples
from support.trees import whole_tree

KILLS = st.one_of(st.just(0), st.integers(1, 250))


def check_that_undo_brings_everything_back(data: st.DataObject) -> None:
    """Sync, then apply and sync with kills, then undo: the tree is as it was, the index too."""
    with tempfile.TemporaryDirectory() as made:
        world = FollowedFolder(Path(made), data)
        world.sync(data.draw(KILLS))
        world.sync()
        before, known = whole_tree(world.folder), world.content()
        assert known == world.fresh_content()
        for _ in range(data.draw(st.integers(1, 2))):
            method = data.draw(st.sampled_from(METHODS[:-1]))
            listed = world.listed()
            for kill in (data.draw(KILLS), 0)[: data.draw(st.integers(1, 2))]:
                world.apply(listed, method, kill)
                if data.draw(st.booleans()):
                    world.sync(data.draw(KILLS), both=data.draw(st.booleans()))
        world.undo(data.draw(KILLS))
        world.undo()
        assert whole_tree(world.folder) == before
        world.sync()
        assert world.content() == known


def check_that_no_picture_is_lost(data: st.DataObject) -> None:
    """Any commands with kills, and changes by others between them."""
    with tempfile.TemporaryDirectory() as made:
        world = FollowedFolder(Path(made), data)
        world.sync()
        for _ in range(data.draw(st.integers(1, 5))):
            if data.draw(st.booleans()):
                world.change("delete", "overwrite", "copy", "move", "link", "symlink")
            readable, letters = world.readable(), world.letters()
            command = data.draw(st.sampled_from(("sync", "sync", "undo", *METHODS)))
            kill = data.draw(KILLS)
            if command == "sync":
                world.sync(
                    kill, both=data.draw(st.booleans()), keep_missing=data.draw(st.booleans())
                )
            elif command == "undo":
                world.undo(kill)
            else:
                world.apply(world.listed(), command, kill)
            if command == "delete":
                assert world.letters() >= letters
            else:
                assert world.readable() >= readable
        world.sync()
        assert world.content() == world.fresh_content()
        shutil.rmtree(world.base / "fresh")


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variable that each example sets; small chunks, so that a sync has several."""
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    monkeypatch.setenv("VECSIM_CHUNK_IMAGES", "2")


@pytest.mark.parametrize("count", [12, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_undo_brings_everything_back(count: int) -> None:
    check_examples(count, check_that_undo_brings_everything_back)


@pytest.mark.parametrize("count", [12, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_command_loses_a_picture(count: int) -> None:
    check_examples(count, check_that_no_picture_is_lost)
