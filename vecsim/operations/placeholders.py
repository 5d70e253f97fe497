"""Placeholders: one picture under many ids, such as a shop's "no image"; found and left out.

Found by their bytes, and by likeness, since a shop that resizes or saves its pictures again gives
each copy of the placeholder bytes of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from vecsim.catalog import SharedBytes
from vecsim.errors import ModelError
from vecsim.index import Snapshot
from vecsim.records import Float32, ImageFacts, Int64
from vecsim.search.score import score_matrix

SUSPICIOUS = 5
"""From how many images on shared bytes are listed; colour variants often share a picture."""

_EXAMPLES = 3  # URLs shown of each
_BLOCK = 256  # queries searched together

_NEARNESS = 0.75
"""How far from a model's threshold to 1 a score must be for the same picture, saved again. Of four
placeholders, each in four sizes and five qualities, the bundled model scores 0.97 or more with the
first copy; the limit is 0.96. `phash` misses a few of a placeholder that is only a line of text."""

_NO_VECTORS = np.empty((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Pictures that a search leaves out, and how many images have them.

    `hashes`: the SHA-256 of their bytes. `vectors`: float32 (n, dim), one of each picture; images
    that score at least `limit` with one of them have that picture too. `found_alike`: how many of
    these pictures no bytes tell, only their likeness.
    """

    hashes: frozenset[str] = frozenset()
    images: int = 0
    vectors: Float32 = field(default_factory=lambda: _NO_VECTORS)
    limit: float = 1.0
    found_alike: int = 0

    @property
    def pictures(self) -> int:
        """How many pictures these are."""
        return len(self.hashes) + self.found_alike

    def include(self, facts: ImageFacts, vector: Float32) -> bool:
        """Tell whether an image with these facts and this unit vector (dim,) has such a picture."""
        if not facts.sha256:  # a vector that came without an image
            return False
        if facts.sha256 in self.hashes:
            return True
        alike = len(self.vectors) and score_matrix(vector[None], self.vectors).max() >= self.limit
        return bool(alike)


def shared_pictures(
    snapshot: Snapshot, least: int = SUSPICIOUS, most: int = 5
) -> list[SharedBytes]:
    """Return the `most` pictures that the most images have, each of them at least `least`."""
    return [
        replace(found, examples=tuple(snapshot.urls_of(found.sha256, _EXAMPLES)))
        for found in snapshot.shared_bytes(least)[:most]
    ]


def hide_placeholders(least: int | None, *snapshots: Snapshot) -> Placeholders:
    """Hide images with placeholder pictures in `snapshots`; None hides nothing.

    A picture that at least `least` images of one of the snapshots have is a placeholder in all of
    them: the same bytes (by SHA-256), or nearly the same vector, of a model whose threshold says
    what that is. Images without known bytes (imported vectors) stay.
    """
    if least is None:
        return Placeholders()
    distinct = list(dict.fromkeys(snapshots))
    before = sum(one.count for one in distinct)
    hashes = frozenset(found.sha256 for one in distinct for found in one.shared_bytes(least))
    for one in distinct:
        one.hide(_keys_of_hashes(one, hashes))
    vectors, limit, found_alike = _NO_VECTORS, _limit_of_likeness(distinct[0]), 0
    if limit is not None:
        parts = [_vectors_of_hashes(one, hashes) for one in distinct]
        dense = [each for one in distinct for each in _dense_pictures(one, least, limit)]
        vectors, found_alike = np.concatenate([*parts, *dense]), len(dense)
        for one in distinct:
            one.hide(_keys_alike(one, vectors, limit))
    hidden = before - sum(one.count for one in distinct)
    return Placeholders(hashes, hidden, vectors, limit or 1.0, found_alike)


def _limit_of_likeness(snapshot: Snapshot) -> float | None:
    """Return from which score on two images count as one picture; None for an unknown model."""
    from vecsim.models import threshold_of_fingerprint

    try:
        threshold = threshold_of_fingerprint(snapshot.fingerprint)
    except ModelError:
        return None
    return threshold + _NEARNESS * (1.0 - threshold)


def _keys_of_hashes(snapshot: Snapshot, hashes: frozenset[str]) -> Int64:
    return np.array(snapshot.catalog.hashes.keys_of(hashes), np.int64)


def _vectors_of_hashes(snapshot: Snapshot, hashes: frozenset[str]) -> Float32:
    """Return one vector of each of `hashes` that the snapshot has: float32 (n, dim)."""
    first: dict[str, int] = {}
    for row in snapshot.rows_of_hashes(hashes):
        first.setdefault(row.facts.sha256, row.key)
    return snapshot.vectors_of(np.array(sorted(first.values()), np.int64))


def _dense_pictures(snapshot: Snapshot, least: int, limit: float) -> Iterator[Float32]:
    """Yield a vector (1, dim) of each picture that `least` images have by likeness.

    What is found is hidden for the rest of the search, so that a picture with very many copies is
    searched for once.
    """
    without_bytes = np.array(snapshot.catalog.hashes.keys_without(), np.int64)
    keys = np.setdiff1d(snapshot.keys(), without_bytes)
    while len(keys):
        some, keys = keys[:_BLOCK], keys[_BLOCK:]
        vectors = snapshot.vectors_of(some)
        pairs = snapshot.range_search(vectors, limit)
        pairs = pairs.take(~np.isin(pairs.reference, without_bytes))
        counts = np.bincount(pairs.query, minlength=len(some))
        hidden = np.empty(0, np.int64)
        for row in np.argsort(-counts, kind="stable").tolist():
            if counts[row] < least:
                break
            members = np.setdiff1d(pairs.reference[pairs.query == row], hidden)
            if len(members) >= least:
                hidden = np.union1d(hidden, members)
                yield vectors[row : row + 1].copy()
        if len(hidden):
            snapshot.hide(hidden)
            keys = np.setdiff1d(keys, hidden)


def _keys_alike(snapshot: Snapshot, vectors: Float32, limit: float) -> Int64:
    """Return the keys of images that have one of the pictures of `vectors`, ascending."""
    without_bytes = np.array(snapshot.catalog.hashes.keys_without(), np.int64)
    found = [np.empty(0, np.int64)]
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        found.append(np.unique(snapshot.range_search(part, limit).reference))
    return np.setdiff1d(np.concatenate(found), without_bytes)
