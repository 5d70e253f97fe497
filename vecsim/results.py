"""What a search finds: pairs of images, as arrays or one by one, and groups of similar images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vecsim.records import Bool, Float64, ImageFacts, ImageRef, Int64


@dataclass(frozen=True, slots=True)
class Match:
    """One pair of similar images. `score` is their cosine, rounded to six decimals.

    `orientation`: how the query is to be turned or mirrored so that it has this score: a name of
    `vecsim.orientations`; None where only pictures as they are were compared.

    >>> [pair] = vecsim.match(shop, threshold=0.9)
    >>> pair
    <Match 'Pictures/1.jpg' 'Pictures/3.jpg': 0.937500>
    >>> pair.query_id, pair.reference_id, pair.score
    ('Pictures/1.jpg', 'Pictures/3.jpg', 0.9375)
    """

    query_id: str
    query_url: str
    reference_id: str
    reference_url: str
    score: float
    query_fields: Mapping[str, str] = field(default_factory=dict)
    reference_fields: Mapping[str, str] = field(default_factory=dict)
    orientation: str | None = None

    def __repr__(self) -> str:
        turned = f" {self.orientation}" if self.orientation else ""
        return f"<Match {self.query_id!r} {self.reference_id!r}: {self.score:.6f}{turned}>"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of similar images: two or more, as tuples of one length.

    The first is the one to keep; the others follow by falling score with it (`scores`, 1.0 for
    itself). `keys`: of their vectors. `keep`: whether each image is kept; those that are given up
    score at least the threshold with the first. `reasons`: why each is kept or given up.
    `smallest_score`: of any two images of the group; None for a group that is too large to say.
    `orientations`: how each is to be turned to show what the first one does; empty where only
    pictures as they are were compared.

    >>> [cluster] = shop.clusters(threshold=0.9)
    >>> [(ref.id, kept) for ref, kept in zip(cluster.members, cluster.keep)]
    [('Pictures/3.jpg', True), ('Pictures/1.jpg', False)]
    """

    members: tuple[ImageRef, ...]
    facts: tuple[ImageFacts, ...]
    scores: tuple[float, ...]
    keys: tuple[int, ...]
    keep: tuple[bool, ...]
    reasons: tuple[str, ...]
    smallest_score: float | None
    orientations: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        kept = [ref.id for ref, keep in zip(self.members, self.keep, strict=True) if keep]
        given_up = [ref.id for ref, keep in zip(self.members, self.keep, strict=True) if not keep]
        return f"<Cluster: keep {_few(kept)}; give up {_few(given_up)}>"


def _few(ids: list[str], most: int = 5) -> str:
    """Return the first few ids, and how many there are more."""
    shown = ", ".join(map(repr, ids[:most]))
    return f"{shown} and {len(ids) - most:,} more" if len(ids) > most else shown or "none"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of rows with their canonical scores: three arrays of one length, shape (n,).

    `query` and `reference` are int64 row numbers (or keys), `score` is float64 (rounded cosine).
    `orientation`: int64, the code of the query's orientation that has this score; None where only
    pictures as they are were compared.
    """

    query: Int64
    reference: Int64
    score: Float64
    orientation: Int64 | None = None

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def empty(cls) -> Pairs:
        """Return no pairs."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))

    @classmethod
    def concatenate(cls, parts: list[Pairs]) -> Pairs:
        """Return all pairs of `parts`, in their order."""
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.query for part in parts]),
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.score for part in parts]),
            None
            if all(part.orientation is None for part in parts)
            else np.concatenate([part.orientations for part in parts]),
        )

    @property
    def orientations(self) -> Int64:
        """The code of each pair's orientation, 0 where none is known: int64 (n,)."""
        return np.zeros(len(self), np.int64) if self.orientation is None else self.orientation

    def take(self, rows: Int64 | Bool) -> Pairs:
        """Return the pairs at `rows` (positions or a mask)."""
        turned = None if self.orientation is None else self.orientation[rows]
        return Pairs(self.query[rows], self.reference[rows], self.score[rows], turned)
