"""Pairs to label: drawn at random within each stratum, in one more pass over what may be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecsim.index import Snapshot
from vecsim.index.join import LocalSearcher, MatchBlock, join_pairs, sorted_with_rows
from vecsim.operations.calibrating.counting import bins_of, score_of
from vecsim.operations.calibrating.strata import Stratum
from vecsim.records import Int64, Pairs


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pairs to label, in an order that mixes the strata, and the stratum of each: (n, 2) bins."""

    block: MatchBlock
    strata: Int64


def draw(
    queries: Snapshot,
    references: Snapshot,
    strata: Sequence[Stratum],
    *,
    seed: int,
    labelled: Pairs | None = None,
) -> Drawn:
    """Draw the pairs of `strata` without replacement; `labelled` ones (by key) are not drawn again.

    The same index, strata and seed draw the same pairs. The pairs stream by and are not kept.
    """
    random = np.random.default_rng(seed)
    known = set() if labelled is None else _names(labelled)
    lows = np.array([stratum.low for stratum in strata])
    # As many more as were labelled before: those that come up again are passed over.
    before = np.zeros(len(strata), np.int64)
    if labelled is not None:
        there = np.searchsorted(lows, bins_of(labelled.score), side="right") - 1
        before = np.bincount(there[there >= 0], minlength=len(strata))
    sizes = [stratum.pairs for stratum in strata]
    chosen = [
        random.choice(size, min(size, stratum.draws + more), replace=False)
        for stratum, size, more in zip(strata, sizes, before.tolist(), strict=True)
    ]
    found: list[list[tuple[int, Pairs]]] = [[] for _ in strata]
    seen = np.zeros(len(strata), np.int64)
    searcher = LocalSearcher(references, score_of(int(lows[0])))
    for pairs in join_pairs(queries, references, searcher):
        place = np.searchsorted(lows, bins_of(pairs.score), side="right") - 1
        for number, ranks in enumerate(chosen):
            rows = np.flatnonzero(place == number)
            # The turn of each wanted pair decides who comes first, not its place in the index.
            turns = np.flatnonzero((ranks >= seen[number]) & (ranks < seen[number] + len(rows)))
            for turn in turns.tolist():
                row = rows[ranks[turn] - seen[number]]
                found[number].append((turn, pairs.take(np.array([row]))))
            seen[number] += len(rows)
    parts: list[Pairs] = []
    for stratum, some in zip(strata, found, strict=True):
        fresh = [pair for _, pair in sorted(some, key=lambda item: item[0])]
        parts += [pair for pair in fresh if not _names(pair) & known][: stratum.draws]
    block = sorted_with_rows(Pairs.concatenate(parts), queries, references)
    mixed = block.pairs.take(random.permutation(len(block.pairs)))
    place = np.searchsorted(lows, bins_of(mixed.score), side="right") - 1
    bounds = np.array([(stratum.low, stratum.high) for stratum in strata], np.int64)
    return Drawn(MatchBlock(mixed, block.queries, block.references), bounds[place])


def _names(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.query.tolist(), pairs.reference.tolist(), strict=True))
