"""Many queries against a sketch: the bounds of all pairs, in tiles, on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import numpy as np

from vecsim.records import Bool, Int64, Pairs
from vecsim.search.check import MANY, Check
from vecsim.search.cores import THREADS, all_cores
from vecsim.search.kernel import Int8, Int32, Packed
from vecsim.search.queries import Queries
from vecsim.search.sketch import Rows, Sketch, least_sums

TALL, WIDE = 128, 8192  # queries and references of a tile


def survivors(
    queries: Queries, sketch: Sketch, number: int, check: Check, first: int = 0
) -> Iterator[Pairs]:
    """Every pair that counts, one part for each stretch of references from row `first` on.

    Only level `number` is read. The thresholds of `check` may be raised between two parts; the
    next stretch is begun before, so that no core waits for the last tile of this one.
    """
    level, references = sketch.axes.levels[number], sketch.levels[number]
    mine = queries.rows(sketch.axes, number)
    rooms: SimpleQueue[_Room] = SimpleQueue()
    for _ in range(THREADS):
        rooms.put(_Room())
    under_way: deque[Iterator[Pairs]] = deque()
    with all_cores() as pool:
        for start in range(first, len(references), WIDE):
            part = slice(start, start + WIDE)
            least = least_sums(level, mine.offsets, check.thresholds)
            stretch = _Stretch(start, Packed(references.codes[part]), references.offsets[part])
            tile = partial(_tile, rooms, mine, stretch, least, check)
            under_way.append(pool.map(tile, range(0, len(queries), TALL)))
            if len(under_way) > 1:
                yield Pairs.concatenate(list(under_way.popleft()))
        while under_way:
            yield Pairs.concatenate(list(under_way.popleft()))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """References that are compared at once, from row `start` on."""

    start: int
    codes: Packed
    offsets: Int32


def _tile(
    rooms: SimpleQueue[_Room],
    queries: Rows,
    stretch: _Stretch,
    least: Int32,
    check: Check,
    top: int,
) -> Pairs:
    """What counts in the tile whose first query is `top`."""
    room = rooms.get()
    part = slice(top, top + TALL)
    try:
        rows, columns = room.hits(queries.codes[part], stretch, least[part])
    finally:
        rooms.put(room)
    queries_here, references_here = len(least[part]), stretch.codes.count
    if len(rows) > 2 * MANY * check.queries.shape[1] * queries_here * references_here:
        return check.all(part, slice(stretch.start, stretch.start + references_here))
    return check(rows + top, columns + stretch.start)


class _Room:
    """The memory one tile is worked in, used again and again."""

    def __init__(self) -> None:
        self.sums = np.empty(TALL * WIDE, np.int32)
        self.mask = np.empty(TALL * WIDE, np.bool_)

    def hits(self, codes: Int8, stretch: _Stretch, least: Int32) -> tuple[Int64, Int64]:
        """Where in the tile of `codes` and `stretch` a bound is high enough: rows, columns."""
        sums = stretch.codes.products(codes, self.sums)
        sums += stretch.offsets
        mask = self.mask[: sums.size].reshape(sums.shape)
        np.greater_equal(sums, least[:, None], out=mask)
        rows, columns = np.divmod(positions(mask.reshape(-1)), max(1, sums.shape[1]))
        return rows, columns


def positions(mask: Bool) -> Int64:
    """`np.flatnonzero(mask)` for a mask that is nearly all False: eight at a glance."""
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    row, place = np.nonzero(mask[:whole].reshape(-1, 8)[words])
    return np.concatenate([words[row] * 8 + place, whole + np.flatnonzero(mask[whole:])])
