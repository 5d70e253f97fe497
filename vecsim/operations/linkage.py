"""Which images form a group: three linkages of the exact matches at a threshold.

All return one label for each image: the position of an image of its group, its own if it is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vecsim.errors import UsageError
from vecsim.index import Snapshot
from vecsim.index.join import FIRST_BLOCK, PAIRS_PER_BLOCK, join_pairs, neighbours
from vecsim.index.match_blocks import sorted_with_rows
from vecsim.index.orientation_scores import best_scores
from vecsim.index.searchers import LARGEST_BLOCK, LocalSearcher
from vecsim.operations.hiding import PairFilter
from vecsim.orientations import AS_IT_IS
from vecsim.records import Bool, Int64
from vecsim.results import Pairs

COMPLETE_LIMIT = 4_000
"""Images that the complete linkage takes in one component: it needs all their scores at once."""

_SCALE = 1_000_000  # scores are whole millionths
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class MatchGraph:
    """The matches among the visible images of a snapshot, searched for when they are needed.

    `threshold`: the lowest score of a match. `keys`: of all images, ascending: int64 (n,); images
    are meant by their positions in it. `visible`: which of them take part: bool (n,). `codes`: the
    orientations in which images are compared. `watch` is called often with the number of images
    whose matches were searched for.
    """

    snapshot: Snapshot
    threshold: float
    keys: Int64
    visible: Bool
    pair_filter: PairFilter
    codes: tuple[int, ...] = (AS_IT_IS,)
    watch: Callable[[int], None] = lambda done: None

    def edges(self) -> Iterator[tuple[Int64, Int64]]:
        """Yield all matches in parts, each once, as two arrays of positions (p,)."""
        searcher = LocalSearcher(self.snapshot, self.threshold)
        found = join_pairs(self.snapshot, self.snapshot, searcher, self.codes, self.watch)
        for pairs in found:
            yield self._positions(pairs)

    def neighbours(self, positions: Int64) -> tuple[Int64, Int64]:
        """Return all matches of the images at `positions` (ascending), as two arrays (p,)."""
        searcher = LocalSearcher(self.snapshot, self.threshold)
        self.watch(len(self.keys))
        pairs = neighbours(self.snapshot, searcher, self.keys[positions], self.codes)
        return self._positions(pairs.take(pairs.query != pairs.reference))

    def _positions(self, pairs: Pairs) -> tuple[Int64, Int64]:
        """Convert pairs of keys to positions, without pairs that are hidden."""
        one, two = (np.searchsorted(self.keys, side) for side in (pairs.query, pairs.reference))
        pairs = pairs.take(self.visible[one] & self.visible[two])
        if len(pairs):
            block = sorted_with_rows(pairs, self.snapshot, self.snapshot)
            pairs = self.pair_filter.visible(block).pairs
        one, two = (np.searchsorted(self.keys, side) for side in (pairs.query, pairs.reference))
        return one, two


def groups_of(labels: Int64) -> list[Int64]:
    """Return the positions of each group of two or more, in the order of their first images."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1))
    groups = [
        order[start:stop]
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        if stop - start > 1
    ]
    return sorted(groups, key=lambda group: int(group[0]))


def component_labels(graph: MatchGraph) -> Int64:
    """Label images that a chain of matches connects: int64 (n,). Each part merges some."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    labels = np.arange(len(graph.keys))
    count = len(labels)
    for one, two in graph.edges():
        edges = coo_array((np.ones(len(one), bool), (labels[one], labels[two])), (count, count))
        count, merged = connected_components(edges, directed=False)
        labels = merged.astype(np.int64)[labels]
    _, first = np.unique(labels, return_index=True)
    return first[labels]


def medoid_labels(graph: MatchGraph) -> Int64:
    """Label images by the one that they match, the image with the most matches first: int64 (n,).

    Images are visited by falling number of matches, ties by id as text. One that is not assigned
    yet takes all its neighbours that are not assigned yet. The matches are searched for twice: to
    count them, then those of images that may take others.
    """
    degrees = np.zeros(len(graph.keys), np.int64)
    for edge in graph.edges():
        for side in edge:
            degrees += np.bincount(side, minlength=len(degrees))
    waiting = _by_falling_degree(graph, degrees)
    labels = np.arange(len(degrees))
    free = np.ones(len(degrees), bool)
    size = FIRST_BLOCK
    while len(waiting):
        within = int(np.searchsorted(np.cumsum(degrees[waiting]), PAIRS_PER_BLOCK))
        part, waiting = np.split(waiting, [min(size, max(1, within))])
        _assign(graph, part, labels, free)
        waiting = waiting[free[waiting]]
        size = min(size * 4, LARGEST_BLOCK)
    return labels


def _by_falling_degree(graph: MatchGraph, degrees: Int64) -> Int64:
    """Return the positions of all images with a match, in the order in which they are visited."""
    positions = np.flatnonzero(degrees)
    keys = graph.keys[positions].tolist()
    ids: list[str] = []
    for start in range(0, len(keys), _ROWS):
        part = keys[start : start + _ROWS]
        rows = graph.snapshot.rows(part)
        ids += [rows[key].ref.id for key in part]
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return positions[np.lexsort((ranks, -degrees[positions]))]


def _assign(graph: MatchGraph, centres: Int64, labels: Int64, free: Bool) -> None:
    """Let each of `centres`, in their order, take its free neighbours; changes the arrays."""
    one, two = graph.neighbours(np.sort(centres))
    order = np.argsort(one, kind="stable")
    one, two = one[order], two[order]
    starts = np.searchsorted(one, centres, side="left").tolist()
    stops = np.searchsorted(one, centres, side="right").tolist()
    for centre, start, stop in zip(centres.tolist(), starts, stops, strict=True):
        if free[centre]:
            free[centre] = False
            taken = two[start:stop]
            taken = taken[free[taken]]
            labels[taken] = centre
            free[taken] = False


def complete_labels(graph: MatchGraph) -> Int64:
    """Label images that all match each other, joined by falling smallest score: int64 (n,).

    Raises `UsageError` for a component of more than `COMPLETE_LIMIT` images.
    """
    labels = component_labels(graph)
    components = groups_of(labels)
    largest = max(map(len, components), default=0)
    if largest > COMPLETE_LIMIT:
        raise UsageError(
            f"A chain of matches connects {largest:,} images, and complete linkage takes "
            f"{COMPLETE_LIMIT:,} at most. Raise the threshold, or choose the linkage medoid."
        )
    for members in components:
        if len(members) > 2:
            labels[members] = members[_complete_parts(graph, members)]
    return labels


def _complete_parts(graph: MatchGraph, members: Int64) -> Int64:
    """Split a component; returns for each member the first of its part, as a position in it."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    images = (graph.snapshot, graph.keys[members])
    distances = _SCALE - np.rint(best_scores(images, images, graph.codes)[0] * _SCALE)
    np.fill_diagonal(distances, 0)
    lowest = np.ceil(graph.threshold * _SCALE - 0.5)
    lowest += lowest / _SCALE < graph.threshold
    tree = linkage(squareform(distances, checks=False), "complete")
    parts = fcluster(tree, _SCALE - lowest, "distance")
    _, first, which = np.unique(parts, return_index=True, return_inverse=True)
    return first[which]


LINKAGES: dict[str, Callable[[MatchGraph], Int64]] = {
    "medoid": medoid_labels,
    "complete": complete_labels,
    "components": component_labels,
}
