"""The names that vecsim gives to files inside an index folder. Only such files are ever deleted."""

from __future__ import annotations

import re

from vecsim.orientations import STORED_NAMES

FILES = ("catalog.db", "thumbnails.db", "fingerprint.json", "writer.lock", "reader.lock")
"""Regular files in an index folder; SQLite writes others beside those ending in .db."""

FOLDERS = ("segments", "sketches", "orientations", "damaged")
"""Folders in an index folder."""

# Keys and generations are integers of 64 bits.
_SEGMENT = re.compile(r"(\d{12,19})-(\d{12,19})\.(\d{1,19})\.faiss", re.ASCII)
_SKETCH = re.compile(rf"(.+\.faiss)\.({'|'.join(map(re.escape, STORED_NAMES[1:]))})", re.ASCII)
_LEFTOVER = re.compile(r"\.(.{1,60})\.[0-9a-f]{8}\.part(-wal|-shm|-journal)?", re.DOTALL)


def segment_name(first_key: int, last_key: int, generation: int) -> str:
    """Return the name of a segment file: first and last key, and the generation that wrote it."""
    return f"{first_key:012d}-{last_key:012d}.{generation}.faiss"


def parse_segment_name(name: str) -> tuple[int, int, int] | None:
    """Return first key, last key and generation, or None if this is not a segment's name."""
    found = _SEGMENT.fullmatch(name)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def sketch_names(segment: str) -> list[str]:
    """Return the names of all sketches that a segment may have: its own, those of turned ones."""
    return [segment, *(f"{segment}.{orientation}" for orientation in STORED_NAMES[1:])]


def sketched_segment(name: str) -> str:
    """Return the segment of which a sketch called `name` is.

    A sketch is called like its segment; one of turned pictures has a dot and the orientation at the
    end.
    """
    found = _SKETCH.fullmatch(name)
    return found[1] if found else name


def is_segment_or_leftover(name: str) -> bool:
    """Return whether a file or folder is called like a segment, or like one that was being written.

    Sketches and stored orientations have the names of their segments, those of turned pictures with
    their orientation at the end.
    """
    leftover = _LEFTOVER.fullmatch(name)
    return parse_segment_name(sketched_segment(leftover[1] if leftover else name)) is not None
