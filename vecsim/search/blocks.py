"""The two sides of a search: blocks of reference vectors, and queries with their sketches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from vecsim.records import Bool, Float32, Int64
from vecsim.search.axes import Axes
from vecsim.search.sketch import LevelCodes, Sketch, encode_level

# (queries (q, d), threshold) -> (query_rows, reference_rows): int64 arrays of one length, every
# pair whose float32 inner product is above the threshold. FAISS's range search, passed in.
Proposer: TypeAlias = Callable[[Float32, float], tuple[Int64, Int64]]


@dataclass(frozen=True, slots=True)
class ReferenceBlock:
    """Reference vectors that are searched together: those of a segment, or an array.

    `vectors`: float32 (n, d), unit rows, perhaps a read-only memory map. `propose`: a range search
    over all of them, for the case that no sketch helps (None: NumPy products). `sketch`: of these
    vectors, used where it makes the search faster. `alive`: (n,), False for a removed row, which is
    never reported; None if there is none.
    """

    vectors: Float32
    propose: Proposer | None = None
    sketch: Sketch | None = None
    alive: Bool | None = None

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True)
class Queries:
    """Query vectors, float32 (q, d), unit rows, and their codes by axes.

    Pass one object instead of the bare array to search several blocks: codes computed for one block
    are kept for the next that has the same axes. `sketch`: the queries' own, if they have one.
    """

    vectors: Float32
    sketch: Sketch | None = None
    _codes: dict[tuple[str, int], LevelCodes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def codes(self, axes: Axes, level: int) -> LevelCodes:
        """Return the codes of all queries at one level of `axes`."""
        known = self._known(axes, level)
        if known is None:
            known = self._codes[axes.id, level] = encode_level(self.vectors, axes, level)
        return known

    def codes_at(self, axes: Axes, level: int, positions: Int64) -> LevelCodes:
        """Return the codes of the queries at `positions`, without encoding the others."""
        known = self._known(axes, level)
        if known is None:
            return encode_level(self.vectors[positions], axes, level)
        return LevelCodes(known.codes[positions], known.offsets[positions])

    def _known(self, axes: Axes, level: int) -> LevelCodes | None:
        if self.sketch is not None and self.sketch.axes.id == axes.id:
            return self.sketch.levels[level]
        return self._codes.get((axes.id, level))


QueryVectors: TypeAlias = Queries | Float32


def as_queries(queries: QueryVectors) -> Queries:
    """Wrap a bare array; return `Queries` unchanged."""
    return queries if isinstance(queries, Queries) else Queries(queries)
