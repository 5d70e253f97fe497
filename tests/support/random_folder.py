"""Random folders of words, and lists of groups of their files, for tests of `apply` and `sync`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.trees import hashes
from support.word_folders import THRESHOLD, WORDS, names, write
from vecsim.operations.applying import ApplyRequest

METHODS = ("move", "trash", "hardlink", "symlink", "delete")


class RandomFolder:
    """The folder `p` with files and links at some of `places`, and paths of an index and a journal.

    Sets XDG_DATA_HOME, so that the trash is below `base` too.
    """

    def __init__(self, base: Path, data: st.DataObject, places: Sequence[str]) -> None:
        self.base, self.data, self.places = base, data, places
        self.folder, self.index = base / "p", base / "i"
        self.gone, self.journal = base / "gone", base / "j"
        os.environ["XDG_DATA_HOME"] = str(base / "share")
        # Sorted, so that the same seed makes the same folder in each process.
        for place in sorted(self.draw(st.sets(st.sampled_from(places), min_size=4, max_size=9))):
            self.write(self.folder / place, self.draw(st.sampled_from(WORDS)))
        for _ in range(self.draw(st.integers(0, 2))):
            self.change("link", "symlink")

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def write(self, path: Path, word: str) -> None:
        write(path, word)

    def files(self) -> list[Path]:
        return names(self.folder)

    def readable(self) -> set[str]:
        """The SHA-256 of every picture of which there is a readable copy."""
        return hashes(self.folder, self.gone, self.base / "share/Trash/files")

    def change(self, *kinds: str) -> None:
        """Change one file as another program would; nothing happens if its target exists."""
        here = self.files()
        if not here:
            return
        path = self.draw(st.sampled_from(here))
        other = self.folder / self.draw(st.sampled_from(self.places))
        kind = self.draw(st.sampled_from(kinds))
        if kind == "delete":
            path.unlink()
        elif kind == "overwrite":
            self.write(path, self.draw(st.sampled_from(WORDS)))
        elif not os.path.lexists(other):
            other.parent.mkdir(parents=True, exist_ok=True)
            if kind == "copy":
                self.write(other, path.read_text())
            elif kind == "move":
                path.rename(other)
            elif kind == "link":
                os.link(os.path.realpath(path), other)
            else:
                other.symlink_to(os.path.relpath(path, other.parent))

    def grouped(self, letters: dict[Path, str]) -> list[list[tuple[Path, bool]]]:
        """Group paths by their letters; each path with whether it is kept, at least one a group."""
        by_letter: dict[str, list[Path]] = {}
        for path, letter in letters.items():
            by_letter.setdefault(letter, []).append(path)
        groups = []
        for paths in by_letter.values():
            kept = self.draw(st.sampled_from(paths))
            groups.append([(path, path == kept or self.draw(st.booleans())) for path in paths])
        return groups

    def request(self, method: str) -> ApplyRequest:
        folder = self.gone if method == "move" else None
        return ApplyRequest(method, folder, THRESHOLD, self.journal)


def check_examples(count: int, check: Callable[[st.DataObject], None]) -> None:
    """Run `check` with `count` random sequences of draws; shrink and raise what fails."""
    options = settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    options(given(st.data())(check))()
