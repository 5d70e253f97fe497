"""Facts of pictures, read from the catalog, the stored thumbnail and, if it is at hand, the file.

They tell an original from copies that were made of it. A person who compares pictures is shown when
and by which camera each was taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from vecsim import paths
from vecsim.catalog import ImageRow
from vecsim.decode.origin import Origin, is_grey, pixel_hash, read_camera, read_origin
from vecsim.errors import ImageError
from vecsim.fetch.content import read_file
from vecsim.fetch.options import FetchOptions
from vecsim.operations.local_files import local_path
from vecsim.records import ImageFacts, ImageRef
from vecsim.results import Cluster

LOSSY = frozenset({"JPEG", "MPO", "WEBP", "AVIF", "HEIF"})

_SCREENSHOT_NAME = re.compile(
    r"screen[\s_-]?shot|bildschirmfoto|capture[\s_-]?d.?[ée]cran|captura|schermata|"
    r"schermafbeelding|スクリーンショット|屏幕截图",
    re.IGNORECASE,
)
_MESSENGER_NAME = re.compile(
    r"-WA\d{4}|^signal-\d{4}|^photo_\d{4}-\d\d-\d\d|^received_\d{6}|^FB_IMG|whatsapp|telegram",
    re.IGNORECASE,
)
# Width and height of usual screens, the shorter side first.
_SCREENS = frozenset(
    {
        *((720, 1280), (768, 1024), (768, 1366), (800, 1280), (900, 1440), (900, 1600)),
        *((1050, 1680), (1080, 1920), (1200, 1920), (1440, 2560), (1600, 2560), (1800, 2880)),
        *((1964, 3024), (2160, 3840), (2234, 3456), (864, 1536), (1440, 3440), (1280, 2560)),
        *((750, 1334), (828, 1792), (1125, 2436), (1170, 2532), (1179, 2556), (1206, 2622)),
        *((1242, 2688), (1284, 2778), (1290, 2796), (1320, 2868), (1080, 2340), (1080, 2400)),
        *((1080, 2412), (1440, 3088), (1440, 3200), (1640, 2360), (1668, 2388), (2048, 2732)),
    }
)
_NO_TIME = "9999"


class PictureOrigins:
    """Reads and remembers facts of images, by the SHA-256 of their bytes."""

    def __init__(self, thumbnails: Callable[[Iterable[int]], Mapping[int, bytes]]) -> None:
        """`thumbnails`: from keys to picture files."""
        self._thumbnails = thumbnails
        self._origins: dict[str, Origin] = {}
        self._grey: dict[str, bool] = {}
        self._pixels: dict[str, str | None] = {}

    def origin(self, row: ImageRow) -> Origin:
        """Return what the file says of its origin; nothing if it is not at hand."""
        sha256 = row.facts.sha256
        if sha256 not in self._origins:
            data = _indexed_bytes(row)
            if data is None:
                return Origin()
            self._origins[sha256] = read_origin(data)
        return self._origins[sha256]

    def is_grey(self, row: ImageRow) -> bool:
        """Tell whether a picture has no colours, by its thumbnail, else by its file."""
        sha256 = row.facts.sha256
        if sha256 not in self._grey:
            data = self._thumbnails([row.key]).get(row.key) or _indexed_bytes(row)
            if data is None:
                return False
            self._grey[sha256] = bool(is_grey(data))
        return self._grey[sha256]

    def pixels(self, row: ImageRow) -> str | None:
        """Return a hash of the decoded picture; None if the file is not at hand."""
        sha256 = row.facts.sha256
        if sha256 not in self._pixels:
            data = _indexed_bytes(row)
            if data is None:
                return None
            self._pixels[sha256] = pixel_hash(data)
        return self._pixels[sha256]

    def is_screenshot(self, row: ImageRow) -> bool:
        """Tell whether a picture is a screenshot: by its name, its data, or its size."""
        if may_be_screenshot(row):
            return not self.origin(row).camera
        return self.origin(row).screenshot

    def age(self, row: ImageRow) -> tuple[str, str]:
        """Return two times to compare, the oldest first: when it was taken, and of its file.

        Both local time in ISO 8601; the time of the file stands for one that is not known.
        """
        file_time = _file_time(row)
        return self.origin(row).taken_at or file_time, file_time


def may_be_screenshot(row: ImageRow) -> bool:
    """Tell whether name or size are those of a screenshot."""
    size = tuple(sorted((row.facts.width, row.facts.height)))
    by_size = row.facts.format == "PNG" and size in _SCREENS
    return by_size or bool(_SCREENSHOT_NAME.search(_file_name(row)))


def came_by_messenger(row: ImageRow) -> bool:
    """Tell whether the name is one that messengers give to pictures."""
    return bool(_MESSENGER_NAME.search(_file_name(row)))


def is_in(url: str, folder: Path) -> bool:
    """Tell whether `url` is a local file in `folder` or below, links followed or not."""
    path = local_path(url)
    if path is None:
        return False
    return any(paths.is_below(of(path), of(folder)) for of in (os.path.abspath, os.path.realpath))


def _file_name(row: ImageRow) -> str:
    """Return the last part of the URL or path."""
    return paths.file_name(row.ref.url)


def _indexed_bytes(row: ImageRow) -> bytes | None:
    """Return the bytes of a local file if they are those that were indexed."""
    path = local_path(row.ref.url)
    if path is None or not row.facts.sha256:
        return None
    try:
        fetched = read_file(path, row.ref.url, FetchOptions().max_bytes)
    except ImageError:
        return None
    return fetched.data if fetched.facts.sha256 == row.facts.sha256 else None


def _file_time(row: ImageRow) -> str:
    """Return when the file was last changed: of a local file, else what its server said."""
    path = local_path(row.ref.url)
    try:
        if path is not None:
            changed = datetime.fromtimestamp(path.stat().st_mtime)
        elif row.facts.last_modified:
            changed = parsedate_to_datetime(row.facts.last_modified).astimezone()
        else:
            return _NO_TIME
    except (OSError, ValueError, OverflowError):
        return _NO_TIME
    return changed.replace(tzinfo=None).isoformat(timespec="microseconds")


# -- for a person who compares pictures ----------------------------------------------------------


def details_of(group: Cluster) -> list[list[str]]:
    """Return for each image of a group short remarks, such as "taken 2024-05-31".

    Of local files these are the day of the photograph and the camera, read from the files now;
    else the day of the file, which servers state too.
    """
    members = zip(group.members, group.facts, strict=True)
    return [_details(ref, facts) for ref, facts in members]


def _details(ref: ImageRef, facts: ImageFacts) -> list[str]:
    path = local_path(ref.url)
    camera, taken = read_camera(path, facts.byte_count) if path is not None else ("", "")
    day = _day(facts.last_modified)
    when = f"taken {taken}" if taken else f"file of {day}" if day else ""
    return [text for text in (when, camera) if text]


def _day(last_modified: str | None) -> str:
    """Return the day of an HTTP date; empty if there is none."""
    try:
        return parsedate_to_datetime(last_modified).date().isoformat() if last_modified else ""
    except ValueError:
        return ""
