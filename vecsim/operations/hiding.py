"""Pairs and images that answers leave out, and how many, by reason.

Unless they are asked for, these are images that are known to be missing, pairs that are one file
under two names, pairs of uniform pictures (blank pages, covered lenses), which all look alike, and
pairs whose pictures were judged different. Images whose vectors came without bytes (external
vectors) are never left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.image_rows import ImageRows, distinct_keys
from vecsim.index.match_blocks import MatchBlock
from vecsim.operations.decisions import Decisions, DifferentPairs
from vecsim.operations.local_files import FileIdentity, file_identity, is_missing, is_real_path
from vecsim.operations.requests import SearchRequest
from vecsim.records import Bool, Int64

MISSING = "missing"
"""An image of the pair is not there any more."""

SAME_FILE = "same file"
"""Both images of the pair are one file."""

DIFFERENT = "different"
"""The pictures of the pair were judged different."""

UNIFORM = "uniform"
"""A picture of the pair has one colour, or nearly so."""

_NOTHING_DECIDED = Decisions(())
_GONE, _UNKNOWN = -2, -1


class PairFilter:
    """Leaves hidden pairs out of blocks of matches and counts them by reason in `hidden`."""

    def __init__(
        self,
        request: SearchRequest,
        decisions: Decisions = _NOTHING_DECIDED,
        *,
        check_queries: bool = True,
    ) -> None:
        """`check_queries`: whether the query hides pairs: because its file is missing or that of
        the reference, or its picture is uniform. False for queries that were asked for by name.
        """
        self.hidden: Counter[str] = Counter()
        self._show_all = request.show_all
        self._different = DifferentPairs(decisions)
        self._check_queries = check_queries

    def visible(self, block: MatchBlock) -> MatchBlock:
        """Return `block` without its hidden pairs, which are counted."""
        if self._show_all or not len(block.pairs):
            return block
        if not block.queries.any_bytes() and not block.references.any_bytes():
            return block  # vectors that were made elsewhere
        sides = (
            _Side(block.queries, block.pairs.query),
            _Side(block.references, block.pairs.reference),
        )
        numbers: dict[FileIdentity, int] = {}
        queries, references = (side.states(numbers) for side in sides)
        missing = references == _GONE
        same = np.zeros(len(block.pairs), bool)
        uniform_queries, uniform = (side.uniform() for side in sides)
        if self._check_queries:
            missing |= queries == _GONE
            same = (queries == references) & (queries >= 0)
            uniform |= uniform_queries
        else:
            uniform &= ~uniform_queries
        hidden = np.zeros(len(block.pairs), bool)
        reasons = {
            MISSING: missing,
            SAME_FILE: same,
            DIFFERENT: self._different.mask(block),
            UNIFORM: uniform,
        }
        for reason, mask in reasons.items():
            if count := int((mask & ~hidden).sum()):
                self.hidden[reason] += count
                hidden |= mask
        return replace(block, pairs=block.pairs.take(~hidden)) if hidden.any() else block


class _Side:
    """The images of one side of some pairs; only those whose bytes are known can be left out."""

    def __init__(self, rows: ImageRows, keys: Int64) -> None:
        """`keys` (n,): of the pairs. `known`: whether the bytes of each distinct image are."""
        self._rows = rows
        self._keys, self._places = distinct_keys(keys)
        self.known = rows.have_bytes(self._keys)

    def states(self, numbers: dict[FileIdentity, int]) -> Int64:
        """Return the state of the image of each pair: int64 (n,).

        `_GONE` for a missing image, the number of its file in `numbers` for a local file, else
        `_UNKNOWN`.
        """
        states = np.full(len(self._keys), _UNKNOWN, np.int64)
        for place in np.flatnonzero(self.known).tolist():
            states[place] = _state(self._rows[int(self._keys[place])], numbers)
        return states[self._places]

    def uniform(self) -> Bool:
        """Tell which pairs have a uniform picture on this side: bool (n,)."""
        uniform = np.zeros(len(self._keys), bool)
        for place in np.flatnonzero(self.known).tolist():
            uniform[place] = self._rows[int(self._keys[place])].facts.is_uniform
        return uniform[self._places]


def _state(row: ImageRow, numbers: dict[FileIdentity, int]) -> int:
    if is_known_missing(row):
        return _GONE
    identity = file_identity(row.ref.url) if row.facts.sha256 else None
    return _UNKNOWN if identity is None else numbers.setdefault(identity, len(numbers))


def hide_uniform(queries: Snapshot, references: Snapshot) -> Counter[str]:
    """Hide images with uniform pictures in both; returns how many pairs that hides, by reason.

    Both may be the same snapshot. Images without known bytes (external vectors) stay.
    """
    before = _count_pairs(queries, references)
    for snapshot in dict.fromkeys((queries, references)):
        snapshot.hide(snapshot.uniform_keys())
    hidden = before - _count_pairs(queries, references)
    return Counter({UNIFORM: hidden} if hidden else {})


def _count_pairs(queries: Snapshot, references: Snapshot) -> int:
    if queries is references:
        return queries.count * (queries.count - 1) // 2
    return queries.count * references.count


def is_known_missing(row: ImageRow) -> bool:
    """Tell whether an image is marked as missing, or is a local file that is not there now.

    A marked file that is there again is not missing, unless no source lists it.
    """
    if not row.facts.sha256:
        return False
    if row.unlisted:
        return True
    if row.missing_since is not None:
        return file_identity(row.ref.url) is None
    return is_missing(row.ref.url)


@dataclass(frozen=True, slots=True)
class FileStates:
    """What is known of the files of images, by key.

    `missing`: keys of images that are not there. `uniform`: of others, whose pictures have one
    colour. `other_names`: of each further name of a file, the
    key of the one that stands for the file: a name without links, else the first one. `names`: all
    names of such a file, by that key.
    """

    missing: frozenset[int]
    uniform: frozenset[int]
    other_names: Mapping[int, int]
    names: Mapping[int, Sequence[str]]

    def names_of(self, row: ImageRow) -> Sequence[str]:
        """Return all URLs of the file of an image, its own included."""
        return self.names.get(self.other_names.get(row.key, row.key), (row.ref.url,))

    @property
    def hidden(self) -> Counter[str]:
        """How many images are left out, by reason."""
        counts = {
            MISSING: len(self.missing),
            SAME_FILE: len(self.other_names),
            UNIFORM: len(self.uniform - self.other_names.keys()),
        }
        return Counter({reason: count for reason, count in counts.items() if count})


def file_states(rows: Iterable[ImageRow]) -> FileStates:
    """Look for the files of `rows`, in the order of their keys."""
    missing: set[int] = set()
    uniform: set[int] = set()
    other_names: dict[int, int] = {}
    names: dict[int, Sequence[str]] = {}
    by_file: dict[FileIdentity, list[ImageRow]] = {}
    for row in rows:
        if is_known_missing(row):
            missing.add(row.key)
            continue
        if row.facts.is_uniform:
            uniform.add(row.key)
        if row.facts.sha256 and (identity := file_identity(row.ref.url)) is not None:
            by_file.setdefault(identity, []).append(row)
    for several in by_file.values():
        if len(several) > 1:
            first = min(several, key=lambda row: (not is_real_path(row.ref.url), row.key))
            other_names |= {row.key: first.key for row in several if row is not first}
            names[first.key] = [row.ref.url for row in several]
    return FileStates(frozenset(missing), frozenset(uniform), other_names, names)
