"""`apply_decisions` and `undo` of the library."""

from __future__ import annotations

from pathlib import Path

import pytest

import vecsim
from support.trees import tree
from support.word_folders import THRESHOLD, ids, index_folder, write
from vecsim.errors import InputError, UsageError


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list that gives up one of two files, beside their folder `p` and index `i`."""
    for name, word in {"1": "a1", "x/2": "a1", "3": "b1"}.items():
        write(tmp_path / "p" / name, word)
    index_folder(tmp_path / "i", tmp_path / "p")
    kept, given_up = tmp_path / "p/1", tmp_path / "p/x/2"
    file = tmp_path / "list.jsonl"
    rows = (f'{{"id": "{kept}", "url": "{kept}", "group": "1", "keep": "yes"}}\n',)
    rows += (f'{{"id": "{given_up}", "url": "{given_up}", "group": "1", "keep": "no"}}\n',)
    file.write_text("".join(rows))
    return file


def test_the_default_only_reports(listed: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    report = vecsim.apply_decisions(listed, tmp_path / "i", threshold=THRESHOLD)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.score, outcome.kept.id) == ("planned", 1.0, f"{tmp_path}/p/1")
    assert {name: about for name, about in tree(tmp_path).items() if name[0] == "p"} == {
        name: about for name, about in before.items() if name[0] == "p"
    }
    assert report.journal is None


def test_applying_and_undoing(listed: Path, tmp_path: Path) -> None:
    before, known = tree(tmp_path / "p"), ids(tmp_path / "i")
    report = vecsim.apply_decisions(
        listed, tmp_path / "i", method="move", folder=tmp_path / "gone", threshold=THRESHOLD
    )
    assert (report.count("done"), report.removed) == (1, 1)
    assert report.journal == tmp_path / "list.journal"
    assert (tmp_path / "gone/x/2").read_text() == "a1"

    back = vecsim.undo(report.journal)

    assert (back.restored, back.returned, back.deleted) == (1, 1, [])
    assert (tree(tmp_path / "p"), ids(tmp_path / "i")) == (before, known)


def test_impossible_arguments_are_refused(listed: Path, tmp_path: Path) -> None:
    for method, folder in [("move", None), ("trash", "gone"), ("burn", None)]:
        with pytest.raises(UsageError):
            vecsim.apply_decisions(listed, tmp_path / "i", method=method, folder=folder)
    with pytest.raises(InputError, match="no such journal"):
        vecsim.undo(tmp_path / "none.journal")
