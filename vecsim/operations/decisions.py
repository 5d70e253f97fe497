"""What decisions mean for a search: pairs to hide, and pictures that stay together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.catalog.decisions import Decision
from vecsim.index import Snapshot
from vecsim.index.match_blocks import MatchBlock
from vecsim.records import Bool, Int64


class Decisions:
    """The decisions that count in a search: those of all its indexes, of two on a pair the newer.

    `same`, `different`: the pairs of SHA-256 with this verdict.
    """

    def __init__(self, decisions: Iterable[Decision]) -> None:
        by_pair: dict[tuple[str, str], Decision] = {}
        for decision in decisions:
            known = by_pair.get(decision.pair)
            if known is None or known.decided_at < decision.decided_at:
                by_pair[decision.pair] = decision
        self._by_pair = by_pair
        self.same = [pair for pair, each in by_pair.items() if each.verdict == "same"]
        self.different = {pair for pair, each in by_pair.items() if each.verdict == "different"}

    @classmethod
    def of(cls, *snapshots: Snapshot) -> Decisions:
        """Return the decisions of one index, or the union of those of several."""
        return cls([each for snapshot in snapshots for each in snapshot.decisions()])

    def __iter__(self) -> Iterator[Decision]:
        """Yield the decisions, in the order in which each pair was first decided."""
        return iter(self._by_pair.values())

    @property
    def hashes(self) -> set[str]:
        """The SHA-256 of all pictures about which something was decided."""
        return {sha256 for each in self for sha256 in each.pair}

    def same_pictures(self) -> dict[str, str]:
        """Return for each SHA-256 in `same` that of one picture with which a chain connects it."""
        neighbours = linked(self.same)
        found: dict[str, str] = {}
        for start in sorted(neighbours):
            waiting = [start] if start not in found else []
            while waiting:
                here = waiting.pop()
                if here not in found:
                    found[here] = start
                    waiting += neighbours[here]
        return found

    def contradictions(self) -> list[tuple[str, ...]]:
        """Return the chains of pictures judged the same whose ends were judged different.

        Each is one of the shortest such chains, as SHA-256, in the order of `different`.
        """
        neighbours = linked(self.same)
        chains = (
            _shortest_chain(neighbours, *each.pair) for each in self if each.verdict == "different"
        )
        return [chain for chain in chains if chain]


def linked(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return for each SHA-256 those with which it is in one of `pairs`."""
    found: dict[str, list[str]] = {}
    for first, second in sorted(pairs):
        found.setdefault(first, []).append(second)
        found.setdefault(second, []).append(first)
    return found


def _shortest_chain(neighbours: dict[str, list[str]], start: str, end: str) -> tuple[str, ...]:
    """Return a shortest chain from `start` to `end`; () if there is none."""
    before: dict[str, str] = {start: ""}
    waiting = deque([start])
    while waiting and end not in before:
        here = waiting.popleft()
        for there in neighbours.get(here, ()):
            if there not in before:
                before[there] = here
                waiting.append(there)
    if end not in before:
        return ()
    chain = [end]
    while before[chain[-1]]:
        chain.append(before[chain[-1]])
    return tuple(reversed(chain))


class DifferentPairs:
    """Tells which pairs of images have pictures that were judged different."""

    def __init__(self, decisions: Decisions) -> None:
        hashes = sorted({sha256 for pair in decisions.different for sha256 in pair})
        self._numbers = {sha256: number for number, sha256 in enumerate(hashes)}
        pairs = [[self._numbers[sha256] for sha256 in pair] for pair in decisions.different]
        numbers = np.array(pairs, np.int64).reshape(-1, 2)
        codes = [self._codes_of(numbers[:, 0], numbers[:, 1])]
        codes += [self._codes_of(numbers[:, 1], numbers[:, 0])]
        self._codes = np.sort(np.concatenate(codes))

    def mask(self, block: MatchBlock) -> Bool:
        """Return for each pair of a block whether it was judged different: bool (n,)."""
        if not self._numbers:
            return np.zeros(len(block.pairs), bool)
        queries = self._numbers_of(block.queries, block.pairs.query)
        references = self._numbers_of(block.references, block.pairs.reference)
        known = (queries >= 0) & (references >= 0)
        return known & np.isin(self._codes_of(queries, references), self._codes)

    def _numbers_of(self, rows: Mapping[int, ImageRow], keys: Int64) -> Int64:
        """Return the number of the bytes of each of `keys` (n,): int64 (n,), -1 for others."""
        ordered = np.array(sorted(rows), np.int64)
        numbers = [self._numbers.get(rows[key].facts.sha256, -1) for key in ordered.tolist()]
        return np.array(numbers, np.int64)[np.searchsorted(ordered, keys)]

    def _codes_of(self, first: Int64, second: Int64) -> Int64:
        """Return one number for each pair of numbers."""
        codes: Int64 = first * len(self._numbers) + second
        return codes
