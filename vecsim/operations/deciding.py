"""Decisions about pairs of pictures: stored, imported, listed and forgotten.

A decision belongs to the bytes of two pictures, by their SHA-256, and so to all images that have
these bytes, whatever their ids and URLs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from vecsim.catalog import ImageRow
from vecsim.catalog.decisions import Decision
from vecsim.errors import InputError, UnknownIdError, UsageError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.index.writer import Writer
from vecsim.operations.decisions import Decisions
from vecsim.operations.requests import check_choice, parse_timestamp
from vecsim.records import ImageRef
from vecsim.sources import DecidedPair

Verdict = Literal["same", "different"]
"""What a person can decide about two pictures."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision, and the first image of the index with the bytes of each side, if there is one."""

    decision: Decision
    first: ImageRef | None
    second: ImageRef | None


@dataclass(frozen=True, slots=True)
class ImportedDecisions:
    """What an import of decided pairs did. All counts are pairs.

    `stored`: new, or decided otherwise before. `known`: stored already, or decided later in another
    way. `unknown`: of images that the index does not have. `without_bytes`: of images that came as
    vectors. `identical`: of images with the same bytes, about which there is nothing to decide.
    """

    stored: int = 0
    known: int = 0
    unknown: int = 0
    without_bytes: int = 0
    identical: int = 0


def decide(
    path: Path,
    decided: Sequence[tuple[str, str, str]],
    *,
    queries: Path | None = None,
    wait: bool | float = False,
) -> list[Decision]:
    """Store what was decided in the index at `path`; returns the decisions.

    `decided`: the ids of two images and the verdict about them. `queries`: the index of the first
    ids, if it is another one. All is stored or nothing. Raises `UnknownIdError`, and `UsageError`
    for another verdict, images whose bytes are not known, and images with the same bytes.
    """
    now = _now()
    made = []
    with _Images(path, queries) as images:
        for first, second, verdict in decided:
            check_choice("verdict", verdict, get_args(Verdict))
            made.append(_decision(*images.both((first, second)), verdict, now))
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        writer.catalog.decisions.put(made)
    return made


def _decision(one: ImageRow, other: ImageRow, verdict: str, now: str) -> Decision:
    """Return a decision about two images. Raises `UsageError`."""
    for row in (one, other):
        if not row.facts.sha256:
            raise UsageError(
                f"{row.ref.id}: only its vector is known, not its bytes, and a decision belongs to "
                f"the bytes of two pictures."
            )
    if one.facts.sha256 == other.facts.sha256:
        raise UsageError(
            f"{one.ref.id} and {other.ref.id} have the same bytes: there is nothing to decide."
        )
    first, second = sorted((one.facts.sha256, other.facts.sha256))
    return Decision(first, second, verdict, now)


class _Images:
    """Looks up images of pairs: the first in `queries`, the second in the index at `path`."""

    def __init__(self, path: Path, queries: Path | None) -> None:
        with ExitStack() as opened:
            self._second = opened.enter_context(Snapshot(path))
            self._first = opened.enter_context(Snapshot(queries)) if queries else self._second
            self._opened = opened.pop_all()

    def __enter__(self) -> _Images:
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def both(self, pair: tuple[str, str]) -> tuple[ImageRow, ImageRow]:
        """Return the rows of two ids. Raises `UnknownIdError`."""
        return self._first.row_of(pair[0]), self._second.row_of(pair[1])

    def find(self, pair: DecidedPair) -> tuple[ImageRow, ImageRow] | None:
        """Return the rows of a listed pair; None if an id, or an id of that URL, is unknown."""
        found = []
        sides = zip((self._first, self._second), pair.ids, pair.urls, strict=True)
        for snapshot, image_id, url in sides:
            row = snapshot.rows_of_ids([image_id]).get(image_id)
            # Ids such as 1, 2, 3 occur in many indexes: the URL tells whether this is the one.
            if row is None or url not in ("", row.ref.url):
                return None
            found.append(row)
        return found[0], found[1]


def import_decisions(
    path: Path,
    pairs: Iterable[DecidedPair],
    *,
    queries: Path | None = None,
    wait: bool | float = False,
) -> ImportedDecisions:
    """Store the decisions of a list in the index at `path`, all or nothing.

    A pair given by SHA-256 is stored whether or not the index has the pictures now. Of two
    decisions on a pair the newer counts; a row without a time counts as decided now. `queries`: the
    index of the first image of each pair, if it is another one. Raises `InputError` (a SHA-256 or a
    time that is none), `UnknownIdError` if not one pair is known.
    """
    counts = dict.fromkeys(ImportedDecisions.__dataclass_fields__, 0)
    new: dict[tuple[str, str], Decision] = {}
    now = _now()
    with _Images(path, queries) as images:
        for pair in pairs:
            found = _imported(pair, images, now)
            if isinstance(found, str):
                counts[found] += 1
            elif found.pair not in new or found.decided_at >= new[found.pair].decided_at:
                new[found.pair] = found
    if counts["unknown"] and not new and sum(counts.values()) == counts["unknown"]:
        raise UnknownIdError(
            f"{path}: none of the {counts['unknown']:,} pairs is of images of this index. Nothing "
            f"was stored.",
            hint=None if queries else Hint(Action.NAME_INDEX_OF_QUERIES),
        )
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        stored = {decision.pair: decision for decision in writer.catalog.decisions.all()}
        changed = [decision for decision in new.values() if _replaces(decision, stored)]
        writer.catalog.decisions.put(changed)
    counts["stored"], counts["known"] = len(changed), len(new) - len(changed)
    return ImportedDecisions(**counts)


def _imported(pair: DecidedPair, images: _Images, now: str) -> Decision | str:
    """Return the decision about a listed pair, or the count to which the pair belongs."""
    hashes = pair.hashes
    decided_at = _parsed_time(pair) or now
    if not all(hashes):
        rows = images.find(pair)
        if rows is None:
            return "unknown"
        hashes = (rows[0].facts.sha256, rows[1].facts.sha256)
        if not all(hashes):
            return "without_bytes"
    for sha256 in hashes:
        if not _SHA256.fullmatch(sha256):
            raise InputError(f"{pair.location}: {sha256!r} is no SHA-256 (64 digits 0-9, a-f).")
    if hashes[0] == hashes[1]:
        return "identical"
    first, second = sorted(hashes)
    return Decision(first, second, pair.verdict, decided_at)


def _parsed_time(pair: DecidedPair) -> str:
    try:
        return parse_timestamp(pair.decided_at) if pair.decided_at else ""
    except UsageError as error:
        raise InputError(f"{pair.location}: decided_at: {error.message}") from error


def _replaces(new: Decision, stored: dict[tuple[str, str], Decision]) -> bool:
    """Return whether `new` is to be stored: it says something else, and not earlier."""
    old = stored.get(new.pair)
    return old is None or (old.verdict != new.verdict and new.decided_at >= old.decided_at)


def forget(
    path: Path,
    pairs: Sequence[tuple[str, str]],
    *,
    missing_ok: bool = False,
    wait: bool | float = False,
) -> int:
    """Delete the decisions about `pairs`, each two ids or SHA-256; returns how many there were.

    Raises `UnknownIdError`, before anything is deleted, for a pair without a decision, unless
    `missing_ok`.
    """
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        known = {decision.pair for decision in writer.catalog.decisions.all()}
        wanted = []
        for pair in pairs:
            rows = writer.catalog.images.by_id(pair)
            hashes = (rows[name].facts.sha256 if name in rows else name for name in pair)
            first, second = sorted(hashes)
            if (first, second) not in known:
                if missing_ok:
                    continue
                raise UnknownIdError(
                    f"{path}: nothing is decided about {pair[0]!r} and {pair[1]!r}."
                )
            wanted.append((first, second))
        return writer.catalog.decisions.delete(wanted)


def forget_all(path: Path, *, wait: bool | float = False) -> int:
    """Delete all decisions of the index at `path`; returns how many there were."""
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        decisions = writer.catalog.decisions
        return decisions.delete([decision.pair for decision in decisions.all()])


def list_decisions(path: Path) -> tuple[list[ListedDecision], list[tuple[ImageRef | str, ...]]]:
    """Return the decisions of the index at `path` in their order, and the contradictions.

    A contradiction is a chain of two or more pictures: each was judged the same as the next one,
    and the first different from the last. A picture of no image is named by its SHA-256.
    """
    with Snapshot(path) as snapshot:
        decisions = Decisions.of(snapshot)
        images: dict[str, ImageRef] = {}
        for row in snapshot.rows_of_hashes(decisions.hashes):
            images.setdefault(row.facts.sha256, row.ref)
        listed = [
            ListedDecision(each, images.get(each.first), images.get(each.second))
            for each in decisions
        ]
        chains = [
            tuple(images.get(sha256, sha256) for sha256 in chain)
            for chain in decisions.contradictions()
        ]
        return listed, chains


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
