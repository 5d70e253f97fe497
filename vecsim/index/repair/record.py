"""What a repair did, and where it puts what is damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vecsim.files import sync
from vecsim.index.verify import Problem

# The kind of failure of images that were in the index, until a file was damaged.
LOST = "lost"


@dataclass(slots=True)
class Repair:
    """What `repair` did.

    `problems`: what was damaged; where it is a file that was set aside, it is in `folder` now.
    `lost`: images whose vectors are gone; they are failures now, to be fetched again. `nameless`:
    vectors whose images are gone: they are dropped, since nobody can tell what they were of.
    `kept`: images that are in the index. `thumbnails_lost`: whether some lost their thumbnails.
    """

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    lost: int = 0
    nameless: int = 0
    kept: int = 0
    thumbnails_lost: bool = False


def set_aside(file: Path, done: Repair) -> None:
    """Move a damaged file to the folder of what was set aside."""
    done.folder.mkdir(parents=True, exist_ok=True)
    file.rename(done.folder / file.name)
    sync(done.folder)
