"""Decides which segments to merge: files stay few, and each vector is rewritten O(log n) times."""

from __future__ import annotations

from collections.abc import Sequence

# A vector moves only into a segment at least this many times the size of the one it leaves, so it
# is rewritten at most log_8(n) times, and at most about 7 segments of similar size are neighbours.
GROWTH = 8

# Segments do not grow beyond this many vectors: no merge takes longer than writing one such file.
LARGEST = 262_144


def run_to_merge(sizes: Sequence[int]) -> int | None:
    """Return where the run of segments to merge starts (it ends with the last one), or None.

    `sizes`: vectors per segment, in the order of their keys; merging neighbours gives a segment
    that covers a range of keys of its own. The longest run is chosen whose first segment moves into
    one of `GROWTH` times its size, and which is not larger than `LARGEST`.
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
    """Return all segments as runs (start, end) of neighbours that each fit into one segment."""
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
