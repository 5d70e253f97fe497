"""Which segments to merge, so that files stay few and each vector is rewritten O(log n) times."""

from __future__ import annotations

from collections.abc import Sequence

# A vector moves only into a segment at least this many times the size of the one it leaves, so it
# is rewritten at most log_8(n) times, and no more than about 7 segments of one size stand beside
# each other.
GROWTH = 8

# Segments of this many vectors are left alone: no merge takes longer than writing one such file.
LARGEST = 262_144


def run_to_merge(sizes: Sequence[int]) -> int | None:
    """Where the run of segments to merge starts; it goes to the end. None when all is well.

    `sizes`: vectors per segment, in the order of their keys, so that a merged segment covers a
    range of keys of its own. The longest run is taken whose first segment grows `GROWTH` times.
    """
    total = 0
    start = None
    for position in range(len(sizes) - 1, -1, -1):
        total += sizes[position]
        if total > LARGEST:
            break
        if total >= GROWTH * sizes[position]:
            start = position
    return start


def runs_to_compact(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs (start, end) of neighbours that fit into one segment, for a full clean-up."""
    runs: list[tuple[int, int]] = []
    start, total = 0, 0
    for position, size in enumerate(sizes):
        if position > start and total + size > LARGEST:
            runs.append((start, position))
            start, total = position, 0
        total += size
    if sizes:
        runs.append((start, len(sizes)))
    return runs
