"""What a sync is asked to do, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vecsim.errors import UsageError
from vecsim.records import AddReport, ImageRef

Kind = Literal[
    "added", "moved", "changed", "fields", "removed", "missing", "released", "failed", "conflict"
]

OnUnreadable: TypeAlias = Callable[[OSError], None]


@dataclass(frozen=True, slots=True)
class SyncSource:
    """One source of a sync.

    `name`: by which the index remembers it. `place`: the path of its list or folder, or `-`.
    `read`: reads the source at a place, and is told of folders inside that cannot be read.
    `is_folder`: whether what it lists are files of a folder.
    """

    name: str
    place: str
    read: Callable[[str, OnUnreadable], Iterator[ImageRef]]
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How a sync works. Raises `UsageError` for a share that cannot be meant.

    `dry_run`: only find out what would change. `max_remove`: per cent of the images of a source
    that one run may remove. `allow_empty`: an empty source removes all of its images.
    `keep_missing`: images that are gone are marked as missing instead of removed. `adopt`: images
    without a source become those of this one. `refresh`: request all other images again as well.
    `keep_unlisted`: images that are gone stay without a source, so that their vectors can be used
    again; nothing is refused then, and an id with two URLs follows `on_duplicate`.
    """

    dry_run: bool = False
    max_remove: float = 20.0
    allow_empty: bool = False
    keep_missing: bool = False
    adopt: bool = False
    refresh: bool = False
    keep_unlisted: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_remove <= 100:
            raise UsageError(f"max_remove={self.max_remove:g}: must be from 0 to 100 per cent.")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the index.

    `kind`: added; moved (other id or URL, same bytes); changed (other bytes); fields (other fields,
    named by `detail`); removed; missing (marked as such); released (another source still lists
    it); failed and conflict (`detail` says why). `previous_id`, `previous_url`: of a moved image,
    and of one that was fetched from another URL.
    """

    kind: Kind
    id: str
    url: str
    previous_id: str = ""
    previous_url: str = ""
    source: str = ""
    detail: str = ""


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the names of the fields that differ."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


@dataclass(slots=True)
class SyncReport(AddReport):
    """What a sync did, or would do. Counts are images.

    `listed`: rows of the sources. `removed`: gone. `missing`: gone, and marked as missing.
    `released`: no longer listed by one source, but by another. `dropped`: failures of rows that are
    gone. `on_disk`: files of a folder that are not listed but still there, so that they are kept.
    `unreadable`: folders that cannot be read. `unnamed`: rows with neither id nor URL, because of
    which their sources remove nothing. `to_check`: a dry run would read or request them again.
    """

    listed: int = 0
    removed: int = 0
    missing: int = 0
    released: int = 0
    dropped: int = 0
    on_disk: int = 0
    unnamed: int = 0
    to_check: int = 0
    unreadable: list[str] = field(default_factory=list)
    dry_run: bool = False
