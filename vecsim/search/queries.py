"""Query vectors with their sketches, made once for each set of axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vecsim.records import Float32, Int64
from vecsim.search.axes import Axes
from vecsim.search.sketch import Rows, Sketch, sketch_level


@dataclass(frozen=True, slots=True)
class Queries:
    """Unit vectors (q, d) that are looked for, in one block after another.

    Pass one object instead of the bare array to search several blocks: what is computed for one is
    kept for the next. `sketch`: their own sketch, if they have one; it serves blocks of equal axes.
    """

    vectors: Float32
    sketch: Sketch | None = None
    _rows: dict[tuple[str, int], Rows] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, axes: Axes, level: int) -> Rows:
        """The sketch of all queries at one level of `axes`."""
        known = self._known(axes, level)
        if known is None:
            known = self._rows[axes.id, level] = sketch_level(self.vectors, axes, level)
        return known

    def some_rows(self, axes: Axes, level: int, positions: Int64) -> Rows:
        """The sketch of the queries at `positions`, without the work for the others."""
        known = self._known(axes, level)
        if known is None:
            return sketch_level(self.vectors[positions], axes, level)
        return Rows(known.codes[positions], known.offsets[positions])

    def _known(self, axes: Axes, level: int) -> Rows | None:
        if self.sketch is not None and self.sketch.axes.id == axes.id:
            return self.sketch.levels[level]
        return self._rows.get((axes.id, level))


QueryVectors: TypeAlias = Queries | Float32


def as_queries(queries: QueryVectors) -> Queries:
    """`queries` as an object."""
    return queries if isinstance(queries, Queries) else Queries(queries)
