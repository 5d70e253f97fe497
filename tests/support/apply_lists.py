"""Lists for `vecsim apply`, and the images of the index that they are for."""

from __future__ import annotations

import csv
from pathlib import Path

from support.on_disk import live


def write_choices(choices: dict[str, tuple[str, str]], name: str = "groups.csv") -> Path:
    """Write a list of groups: URL or path below Pictures -> (group, keep)."""
    with Path(name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "id", "url", "keep"])
        for path, (group, keep) in choices.items():
            place = path if "://" in path else str(Path("Pictures", path).absolute())
            writer.writerow([group, place, place, keep])
    return Path(name)


def ids_in(index: str) -> set[str]:
    """The images of an index, as paths below Pictures."""
    here = Path("Pictures").absolute()
    return {str(Path(id_).relative_to(here)) for _, id_ in live(Path(index))}
