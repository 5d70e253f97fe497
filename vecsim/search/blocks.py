"""The two sides of a search, reference blocks and queries, and the plan of how they are searched.

The plan is which level of a block's sketch is fastest. A sample of pairs tells which share of them
would survive the bound of a level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from vecsim.records import Bool, Float32, Float64, Int64
from vecsim.search.axes import Axes
from vecsim.search.candidates import CLEARLY_DENSE, DENSE_SHARE
from vecsim.search.products import HAS_FAST_BFLOAT16, PackedCodes
from vecsim.search.score import product_margin, take_rows
from vecsim.search.sketch import LevelCodes, Sketch, encode_level, score_cutoffs

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


MAX_STORED_BYTES = 1 << 26  # of codes in one store


@dataclass(frozen=True, slots=True)
class Queries:
    """Query vectors, float32 (q, d), unit rows, and their codes by axes.

    Pass one object instead of the bare array to search several blocks: codes computed for one block
    are kept for the next that has the same axes. `sketch`: the queries' own, if they have one.
    `store`: keeps their codes for later searches; they are its vectors from row `first` on.
    """

    vectors: Float32
    sketch: Sketch | None = None
    store: CodeStore | None = None
    first: int = 0
    _codes: dict[tuple[str, int], LevelCodes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def codes(self, axes: Axes, level: int) -> LevelCodes:
        """Return the codes of all queries at one level of `axes`."""
        known = self._known(axes, level)
        if known is None:
            known = self._codes[axes.id, level] = encode_level(self.vectors, axes, level)
            if self.store is not None:
                self.store.keep(axes, level, self.first, known)
        return known

    def codes_at(self, axes: Axes, level: int, positions: Int64) -> LevelCodes:
        """Return the codes of the queries at `positions`, without encoding the others."""
        known = self._known(axes, level)
        if known is None:
            return encode_level(take_rows(self.vectors, positions), axes, level)
        return LevelCodes(known.codes[positions], known.offsets[positions])

    def _known(self, axes: Axes, level: int) -> LevelCodes | None:
        if self.sketch is not None and self.sketch.axes.id == axes.id:
            return self.sketch.levels[level]
        known = self._codes.get((axes.id, level))
        if known is None and self.store is not None:
            known = self.store.find(axes, level, self.first, len(self))
        return known


class CodeStore:
    """Keeps codes of the vectors of one index by the axes of others, from search to search.

    It holds at most `MAX_STORED_BYTES`; codes that would exceed them are made anew each time.
    """

    def __init__(self, count: int) -> None:
        """`count`: of the vectors."""
        self._count = count
        self._room = MAX_STORED_BYTES
        self._stored: dict[tuple[str, int], tuple[LevelCodes, Bool]] = {}

    def keep(self, axes: Axes, level: int, first: int, codes: LevelCodes) -> None:
        """Keep the codes of vectors from row `first` on."""
        key = (axes.id, level)
        if key not in self._stored:
            width = codes.codes.shape[1]
            if self._count * (width + 5) > self._room:
                return
            self._room -= self._count * (width + 5)
            room = LevelCodes.empty(self._count, width)
            self._stored[key] = (room, np.zeros(self._count, bool))
        known, filled = self._stored[key]
        part = slice(first, first + len(codes))
        known.codes[part], known.offsets[part] = codes.codes, codes.offsets
        filled[part] = True

    def find(self, axes: Axes, level: int, first: int, count: int) -> LevelCodes | None:
        """Return the codes of `count` vectors from row `first` on, if all are kept."""
        if (axes.id, level) not in self._stored:
            return None
        known, filled = self._stored[axes.id, level]
        part = slice(first, first + count)
        return known.slice_rows(part) if filled[part].all() else None


QueryVectors: TypeAlias = Queries | Float32


def as_queries(queries: QueryVectors) -> Queries:
    """Wrap a bare array; return `Queries` unchanged."""
    return queries if isinstance(queries, Queries) else Queries(queries)


# -- the plan ----------------------------------------------------------------------------------

# Up to so many queries are searched one by one, through all levels; more go through tiles: of range
# searches, and of those for the best, whose thresholds are raised faster together.
MAX_SINGLE_QUERIES, MAX_SINGLE_BEST = 8, 4
# In smaller blocks, encoding the queries costs too much of what a sketch can save.
MIN_REFERENCES = 4096
SAMPLE_QUERIES, SAMPLE_REFERENCES = 64, 1024
SAMPLE_REFERENCES_SINGLE = 256  # fewer for single queries: each may be a page to read from disk
# A single query takes the plain path, which reads in order, if more than this share survives.
MAX_SHARE_SINGLE = 0.1
# One survivor takes as long as the products of this many codes, times the dimension; and one pair
# of vectors in bfloat16, without a sketch, as the products of this many codes for each dimension.
SURVIVOR_COST = 600
BFLOAT16_COST = 3.5
# Rounding and packing one reference for that, likewise, shared by all queries.
BFLOAT16_PACKING_COST = 1500
GOLDEN_RATIO = 0.6180339887498949


def one_by_one(query_count: int, best: bool = False) -> bool:
    """Return whether so many queries are searched one by one. `best`: for their best references."""
    return query_count <= (MAX_SINGLE_BEST if best else MAX_SINGLE_QUERIES)


def choose_level(
    queries: Queries,
    sketch: Sketch | None,
    thresholds: Float64,
    first: int = 0,
    best: bool = False,
) -> int | None:
    """Choose the level of `sketch` by which references from row `first` on are searched fastest.

    `thresholds` (q,): of the queries. `best`: see `one_by_one`. Returns None where the plain path
    is faster. For queries that are searched one by one, through all levels, the answer is the
    finest level or None.
    """
    if sketch is None or not len(queries) or len(sketch.levels[-1]) - first < MIN_REFERENCES:
        return None
    finest = len(sketch.levels) - 1
    if one_by_one(len(queries), best):
        count = SAMPLE_REFERENCES_SINGLE
        share = _surviving_share(queries, sketch, finest, thresholds, first, count)
        return finest if share <= MAX_SHARE_SINGLE else None
    dim = sketch.axes.dim
    costs: dict[int | None, float] = {}
    if HAS_FAST_BFLOAT16:
        costs[None] = (BFLOAT16_COST + BFLOAT16_PACKING_COST / len(queries)) * dim
    for number, level in enumerate(sketch.axes.levels):
        share = _surviving_share(queries, sketch, number, thresholds, first, SAMPLE_REFERENCES)
        if share <= DENSE_SHARE * dim + 0.5 / len(queries):
            costs[number] = level.code_count + share * dim * SURVIVOR_COST
    return min(costs, key=costs.__getitem__, default=None)


def has_dense_answers(
    queries: Queries, references: Float32, thresholds: Float64, first: int = 0
) -> bool:
    """Tell, from a sample, whether so many pairs reach their threshold that all are to be scored.

    `references` (n, d), from row `first` on. `thresholds` (q,): of the queries.
    """
    query_rows = sample_rows(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    count = min(len(references) - first, SAMPLE_REFERENCES)
    some = take_rows(references, sample_rows(first, len(references), count))
    products = take_rows(queries.vectors, query_rows) @ some.T
    # Of identical vectors, products are as often just below their threshold as above.
    cutoffs = thresholds[query_rows, None] - product_margin(references.shape[1])
    return bool(np.mean(products > cutoffs) > CLEARLY_DENSE)


def _surviving_share(
    queries: Queries, sketch: Sketch, number: int, thresholds: Float64, first: int, count: int
) -> float:
    """Return the share of pairs that survive the bound of level `number`.

    Estimated from up to `SAMPLE_QUERIES` queries and `count` references.
    """
    level, references = sketch.axes.levels[number], sketch.levels[number]
    query_rows = sample_rows(0, len(queries), min(len(queries), SAMPLE_QUERIES))
    reference_rows = sample_rows(first, len(references), count)
    sampled = queries.codes_at(sketch.axes, number, query_rows)
    packed = PackedCodes(sampled.codes)
    buffer = np.empty(len(reference_rows) * packed.count, np.int32)
    sums = packed.products(references.codes[reference_rows], buffer)
    cutoffs = score_cutoffs(level, sampled.offsets, thresholds[query_rows])
    return float(np.mean(sums + references.offsets[reference_rows, None] >= cutoffs))


def sample_rows(first: int, last: int, count: int) -> Int64:
    """Sample `count` rows from `first` up to `last`: int64 (count,), the same at each call.

    The rows follow a Weyl sequence, which spreads evenly without a period: rows at even steps would
    be those that the axes were fitted to.
    """
    places = np.arange(1, count + 1) * GOLDEN_RATIO % 1.0
    return first + (places * (last - first)).astype(np.int64)
