"""Maintenance of an index: what it holds, removing, compacting, verifying, repairing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vecsim.catalog import Catalog, SharedBytes
from vecsim.contained import total_size
from vecsim.errors import UnknownIdError, UsageError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.index.repair import Repair, repair
from vecsim.index.verify import Problem, verify
from vecsim.index.writer import Writer
from vecsim.operations.index_settings import stored_threshold, threshold_of
from vecsim.operations.orienting import stored_setting
from vecsim.operations.placeholders import shared_pictures
from vecsim.orientations import STORED_NAMES
from vecsim.records import Failure, Fingerprint
from vecsim.sources.id_lists import KnownIds

__all__ = [
    "IndexInfo",
    "Problem",
    "Repair",
    "SourceInfo",
    "compact",
    "count",
    "failures",
    "first_ids",
    "info",
    "known_ids",
    "remove",
    "repair",
    "verify",
    "warnings",
]


_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source of an index. `place`: its path. `images`: how many of the index it lists.

    `synced_at`: end of the last complete sync (UTC, ISO 8601), or empty. `incomplete`: whether a
    sync was interrupted.
    """

    name: str
    place: str
    images: int
    synced_at: str
    incomplete: bool


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds. `byte_count`: of all files of the folder.

    `threshold`: what is used where none is given, if there is one; `own_threshold`: whether it is
    the index's own and not its model's. `shared`: pictures that suspiciously many images have.
    `warnings`: each kind of decoder warning with its number of images, most frequent first.
    `sources`: those that the index follows. `without_source`: images that none of them lists.
    `uniform`: images of one colour; `uniform_examples`: ids of some.
    `orientations`: in which new images are stored. `turned`: images stored in each other one.
    """

    path: Path
    fingerprint: Fingerprint
    images: int
    removed: int
    segments: int
    byte_count: int
    threshold: float | None
    own_threshold: bool
    fields: list[str]
    failures: dict[str, int]
    shared: list[SharedBytes]
    warnings: dict[str, int]
    uniform: int
    uniform_examples: list[str]
    sources: list[SourceInfo]
    without_source: int
    orientations: str
    turned: dict[str, int]


def count(path: Path) -> int:
    """Return how many images the index at `path` holds."""
    with Snapshot(path) as snapshot:
        return snapshot.count


def info(path: Path) -> IndexInfo:
    """Describe the index at `path`. Raises `IndexMissingError`, `IndexDamagedError`."""
    with Snapshot(path) as snapshot:
        try:
            threshold = threshold_of(snapshot)
        except UsageError:
            threshold = None
        sources, without = _sources(snapshot)
        return IndexInfo(
            path=path,
            fingerprint=snapshot.fingerprint,
            images=snapshot.count,
            removed=sum(map(len, snapshot.segments)) - snapshot.count,
            segments=len(snapshot.segments),
            byte_count=total_size(path),
            threshold=threshold,
            own_threshold=stored_threshold(snapshot) is not None,
            fields=snapshot.field_names,
            failures=snapshot.failures_by_kind(),
            shared=shared_pictures(snapshot),
            warnings=_kinds_of_warning(snapshot),
            uniform=len(snapshot.uniform_keys()),
            uniform_examples=_uniform_examples(snapshot),
            sources=sources,
            without_source=without,
            orientations=stored_setting(snapshot),
            turned={STORED_NAMES[code]: count for code, count in snapshot.turned_counts().items()},
        )


def _sources(snapshot: Snapshot) -> tuple[list[SourceInfo], int]:
    """Return the sources of an index, and how many images came from none."""
    table = snapshot.catalog.sources
    counts = table.image_counts()
    found = [
        SourceInfo(
            row.name, row.place, counts.get(row.number, 0), row.synced_at, bool(row.began_at)
        )
        for row in table.all()
    ]
    return found, counts.get(0, 0)


def _uniform_examples(snapshot: Snapshot) -> list[str]:
    keys = [int(key) for key in snapshot.uniform_keys()[:_EXAMPLES]]
    refs = snapshot.catalog.images.references_by_key(keys)
    return [refs[key].id for key in keys if key in refs]


def _kinds_of_warning(snapshot: Snapshot) -> dict[str, int]:
    """Count images by warning; numbers in warnings are left out, since they differ."""
    counts: Counter[str] = Counter()
    for *_, text in snapshot.warnings():
        counts.update({re.sub(r"0x[0-9a-f]+|\d+", "N", line) for line in text.splitlines()})
    return dict(counts.most_common())


def failures(path: Path) -> tuple[list[str], Iterable[Failure]]:
    """Return the names of the carried fields and the recorded failures of the index at `path`."""
    with Snapshot(path) as snapshot:
        found = list(snapshot.failures())
    names = dict.fromkeys(name for failure in found for name in failure.ref.fields)
    return list(names), found


def warnings(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the id, URL and text of each warning of the decoder about a decoded image."""
    with Snapshot(path) as snapshot:
        for image_id, url, text in snapshot.warnings():
            yield from ((image_id, url, line) for line in text.splitlines())


@contextmanager
def known_ids(path: Path) -> Iterator[KnownIds]:
    """Yield a function that returns those of some ids that the index knows, failures included."""
    with Snapshot(path) as snapshot:
        yield partial(_known, snapshot.catalog)


def _known(catalog: Catalog, ids: Collection[str]) -> set[str]:
    return {*catalog.images.by_id(ids), *catalog.failures.urls(ids)}


def remove(
    path: Path, ids: Iterable[str], *, missing_ok: bool = False, wait: bool | float = False
) -> int:
    """Remove images and failures by id; returns how many were removed.

    Raises `UnknownIdError`, before anything is removed, for an unknown id, unless `missing_ok`.
    """
    wanted = list(dict.fromkeys(ids))
    with Writer(path, wait=wait) as writer:
        if not missing_ok:
            known = _known(writer.catalog, wanted)
            unknown = [id_ for id_ in wanted if id_ not in known]
            if unknown:
                full = os.path.abspath(unknown[0])
                there = full if full in _known(writer.catalog, [full]) else ""
                raise _unknown_ids(path, unknown, len(wanted), there)
        return writer.remove(wanted)


def _unknown_ids(path: Path, unknown: Sequence[str], wanted: int, there: str) -> UnknownIdError:
    """Return the error for ids to remove that no image has, of `wanted` ids in all.

    `there`: the id that the full path of the first one is, if it is one.
    """
    shown = first_ids(unknown)
    if len(unknown) == wanted > 5:
        text = f"{path}: none of the {wanted:,} ids is known: {shown}. Nothing was removed."
    else:
        text = f"{path}: no image has the id {shown}. Nothing was removed."
    if there:
        text += f" There is {there!r}."
    return UnknownIdError(text, hint=Hint(Action.SKIP_UNKNOWN_IDS))


def first_ids(ids: Sequence[str]) -> str:
    """Return the first five of `ids` for a message."""
    return ", ".join(map(repr, ids[:5])) + (", …" if len(ids) > 5 else "")


def compact(path: Path, *, wait: bool | float = False) -> None:
    """Merge small segments and free the space of removed images."""
    with Writer(path, wait=wait) as writer:
        writer.compact()
