"""What a person who compares pictures wants to know beside size and name: dates and camera."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from vecsim.decode.camera import read_camera
from vecsim.errors import ImageError
from vecsim.fetch import parse_address
from vecsim.records import Cluster, ImageFacts, ImageRef


def details_of(group: Cluster) -> list[list[str]]:
    """Return for each image of a group short remarks, such as "taken 2024-05-31".

    Of local files these are the day of the photograph and the camera, read from the files now;
    else the day of the file, which servers state too.
    """
    members = zip(group.members, group.facts, strict=True)
    return [_details(ref, facts) for ref, facts in members]


def _details(ref: ImageRef, facts: ImageFacts) -> list[str]:
    camera = taken = ""
    try:
        path = parse_address(ref.url).path if ref.url else None
    except ImageError:
        path = None
    if path is not None:
        camera, taken = read_camera(path, facts.byte_count)
    day = _day(facts.last_modified)
    when = f"taken {taken}" if taken else f"file of {day}" if day else ""
    return [text for text in (when, camera) if text]


def _day(last_modified: str | None) -> str:
    """Return the day of an HTTP date; empty if there is none."""
    try:
        return parsedate_to_datetime(last_modified).date().isoformat() if last_modified else ""
    except ValueError:
        return ""
