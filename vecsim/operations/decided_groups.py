"""Groups as a person decided: same pictures stay together, different ones apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from vecsim.operations.decisions import Decisions, linked
from vecsim.operations.linkage import MatchGraph
from vecsim.records import Float64, Int64
from vecsim.search.score import score_pairs

# Images whose matches are searched for together.
_ROWS = 1_024

Positions = dict[str, list[int]]
"""The visible images with some bytes, by their SHA-256, as positions in `MatchGraph.keys`."""


class DecidedGroups:
    """Changes groups of images so that they agree with the decisions about their pictures."""

    def __init__(self, graph: MatchGraph, decisions: Decisions) -> None:
        self._graph = graph
        self._decisions = decisions
        self._opposites = linked(decisions.different)
        self._positions: Positions = {}
        self._hashes: dict[int, str] = {}
        for row in graph.snapshot.rows_of_hashes(decisions.hashes):
            position = int(np.searchsorted(graph.keys, row.key))
            there = position < len(graph.keys) and graph.keys[position] == row.key
            if there and graph.visible[position]:
                self._positions.setdefault(row.facts.sha256, []).append(position)
                self._hashes[position] = row.facts.sha256

    def separated_pairs(self) -> int:
        """Count the pairs of images that match and were judged different."""
        count = 0
        for first, second in self._decisions.different:
            one, other = (self._positions.get(sha256, []) for sha256 in (first, second))
            if one and other:
                score = self._scores(np.array([one[0]]), np.array([other[0]]))[0]
                count += len(one) * len(other) * bool(score >= self._graph.threshold)
        return count

    def apply(self, labels: Int64) -> Int64:
        """Return the labels of the changed groups: int64 (n,).

        Groups that have pictures judged the same are joined. A group with pictures judged different
        is then split: pictures judged the same are put together first, then images by falling score
        (ties by position), unless that puts different pictures together.
        """
        groups = _UnionFind()
        for one, other in self._same_images():
            groups.join(int(labels[one]), int(labels[other]))
        changed = labels.copy()
        for label, root in groups.roots().items():
            changed[labels == label] = root
        for label in self._labels_to_split(changed):
            members = np.flatnonzero(changed == label)
            changed[members] = self._split(members)
        return changed

    def _same_images(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of positions that are together: same bytes, and pictures judged the same.

        The newest decision first, since those that contradict it do not count.
        """
        for positions in self._positions.values():
            yield from ((positions[0], other) for other in positions[1:])
        same = (each for each in self._decisions if each.verdict == "same")
        for each in sorted(same, key=lambda each: (each.decided_at, each.pair), reverse=True):
            one, other = (self._positions.get(sha256) for sha256 in each.pair)
            if one and other:
                yield one[0], other[0]

    def _labels_to_split(self, labels: Int64) -> list[int]:
        """Return the labels of groups with pictures that were judged different."""
        found = set()
        for first, second in self._decisions.different:
            sides = (self._positions.get(sha256, []) for sha256 in (first, second))
            one, other = ({int(labels[position]) for position in side} for side in sides)
            found |= one & other
        return sorted(found)

    def _split(self, members: Int64) -> list[int]:
        """Return new labels of the images at `members`."""
        inside = set(members.tolist())
        parts = _UnionFind()
        for position in sorted(inside & self._hashes.keys()):
            sha256 = self._hashes[position]
            parts.note(position, sha256, self._opposites.get(sha256, ()))
        same = ((one, other) for one, other in self._same_images() if {one, other} <= inside)
        for one, other in chain(same, self._matches(members)):
            parts.join_unless_different(one, other)
        return [parts.root(position) for position in members.tolist()]

    def _matches(self, members: Int64) -> Iterable[tuple[int, int]]:
        """Return the matches among `members` (ascending) as positions, by falling score."""
        ends: list[tuple[Int64, Int64]] = []
        for start in range(0, len(members), _ROWS):
            one, two = self._graph.neighbours(members[start : start + _ROWS])
            inside = (one < two) & np.isin(two, members)
            ends.append((one[inside], two[inside]))
        one, two = (np.concatenate(side) for side in zip(*ends, strict=True))
        order = np.lexsort((two, one, -self._scores(one, two)))
        return zip(one[order].tolist(), two[order].tolist(), strict=True)

    def _scores(self, one: Int64, two: Int64) -> Float64:
        """Score the images at the positions `one` with those at `two`: float64 (n,)."""
        positions = np.unique(np.concatenate([one, two]))
        vectors = self._graph.snapshot.vectors_of(self._graph.keys[positions])
        rows = (np.searchsorted(positions, side) for side in (one, two))
        return score_pairs(vectors, vectors, *rows)


class _UnionFind:
    """Sets of numbers that are joined step by step; each number begins as a set of its own."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}
        self._hashes: dict[int, set[str]] = {}
        self._opposites: dict[int, set[str]] = {}

    def note(self, number: int, sha256: str, opposites: Iterable[str]) -> None:
        """Note the bytes of an image, and those of the pictures that it must not be with."""
        self._hashes[number] = {sha256}
        self._opposites[number] = set(opposites)

    def root(self, number: int) -> int:
        """Return the number that stands for the set of `number`."""
        while (parent := self._parents.get(number, number)) != number:
            self._parents[number] = self._parents.get(parent, parent)
            number = parent
        return number

    def roots(self) -> dict[int, int]:
        """Return the root of each number that was joined with another one."""
        return {number: self.root(number) for number in list(self._parents)}

    def join(self, one: int, other: int) -> None:
        """Join the sets of two numbers; the smaller root stands for both."""
        low, high = sorted((self.root(one), self.root(other)))
        if low == high:
            return
        self._parents[high] = low
        for by_root in (self._hashes, self._opposites):
            if high in by_root:
                by_root.setdefault(low, set()).update(by_root.pop(high))

    def join_unless_different(self, one: int, other: int) -> None:
        """Join the sets of two numbers unless pictures of both must not be together."""
        first, second = self.root(one), self.root(other)
        opposites = self._opposites.get(first, set())
        if opposites.isdisjoint(self._hashes.get(second, ())):
            self.join(first, second)
