"""Clusters of similar images, and which image of each to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.operations.decided_groups import DecidedGroups
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import FileStates, PairFilter, file_states
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.keeping import Keeper
from vecsim.operations.linkage import LINKAGES, MatchGraph, groups_of
from vecsim.operations.requests import Grouping, SearchRequest
from vecsim.records import Bool, Cluster, Float64, Int64
from vecsim.search.score import score_matrix, score_pairs

_ROWS = 4_096
_MATRIX_ROWS = 256

# Distinct vectors of a group up to which all its scores are computed to find the smallest.
_MOST_COMPARED = 5_000

_USUAL = Grouping()

MAX_SCORED = 64
"""Images of a group whose pairs are scored, at most: their number grows with the square."""


class Clusters:
    """Groups of two or more similar images, in the order of their images; made by `clusters`.

    Each iteration searches again. `hidden`: how many images the last iteration left out, by reason:
    see `vecsim.operations.hiding`. `separated`: how many pairs of images match, but were judged
    different. `contradictions`: chains of pictures judged the same whose ends were judged
    different, as SHA-256.
    """

    def __init__(
        self, snapshot: Snapshot, threshold: float, request: SearchRequest, grouping: Grouping
    ) -> None:
        self.hidden: Counter[str] = Counter()
        self.separated = 0
        self.contradictions: list[tuple[str, ...]] = []
        self._same: dict[str, str] = {}
        self._snapshot = snapshot
        self._threshold = threshold
        self._request = request
        self._grouping = grouping

    def __iter__(self) -> Iterator[Cluster]:
        """Yield each cluster: the image to keep first, the others by falling score with it."""
        snapshot = self._snapshot
        states = file_states(snapshot.all_rows())
        keys = snapshot.keys()
        visible = np.ones(len(keys), bool)
        self.hidden.clear()
        if not self._request.show_all:
            visible = ~np.isin(keys, [*states.missing, *states.uniform, *states.other_names])
            self.hidden.update(states.hidden)
        labels = self._labels(keys, visible)
        keeper = Keeper(self._grouping, states, snapshot.thumbnails)
        for positions in groups_of(labels):
            rows = list(snapshot.rows(keys[positions].tolist()).values())
            if any(row.key not in states.missing for row in rows):
                yield self._cluster(rows, keeper, states)

    def _labels(self, keys: Int64, visible: Bool) -> Int64:
        """Return the group of each image, as the linkage and the decisions say: int64 (n,)."""
        decisions = Decisions.of(self._snapshot)
        if self._request.show_all:
            decisions = Decisions(each for each in decisions if each.verdict == "same")
        pair_filter = PairFilter(self._request, decisions)
        graph = MatchGraph(self._snapshot, self._threshold, keys, visible, pair_filter)
        decided = DecidedGroups(graph, decisions)
        self.separated = decided.separated_pairs()
        self.contradictions = decisions.contradictions()
        self._same = decisions.same_pictures()
        return decided.apply(LINKAGES[self._grouping.linkage](graph))

    def _cluster(self, rows: Sequence[ImageRow], keeper: Keeper, states: FileStates) -> Cluster:
        """Make the record of one cluster."""
        snapshot = self._snapshot
        kept, reasons = keeper.choose(rows)
        keys = np.array(sorted(row.key for row in rows))
        others = keys[keys != kept.key]
        scored = zip(others.tolist(), _scores(snapshot, kept.key, others).tolist(), strict=True)
        scores = {kept.key: 1.0, **dict(scored)}
        keeps = {kept.key: True}
        for row in rows:
            if row is not kept:
                why = self._why_kept(row, kept, scores[row.key], keeper, states)
                keeps[row.key] = why is not None
                reasons[row.key] = why or reasons[row.key]
        ordered = sorted(rows, key=lambda row: (row is not kept, -scores[row.key], row.ref.id))
        return Cluster(
            tuple(row.ref for row in ordered),
            tuple(row.facts for row in ordered),
            tuple(scores[row.key] for row in ordered),
            tuple(row.key for row in ordered),
            tuple(keeps[row.key] for row in ordered),
            tuple(reasons[row.key] for row in ordered),
            _smallest_score(snapshot, keys),
        )

    def _why_kept(
        self, row: ImageRow, kept: ImageRow, score: float, keeper: Keeper, states: FileStates
    ) -> str | None:
        """Say why an image is kept beside the one that is kept first; None if it is given up."""
        if row.key in states.missing:
            return None
        files = {states.other_names.get(key, key) for key in (row.key, kept.key)}
        if len(files) == 1:
            return "another name of the kept file"
        if keeper.is_reference(row):
            return "in a reference folder"
        same = (self._same.get(image.facts.sha256, image.key) for image in (row, kept))
        if score < self._threshold and len(set(same)) > 1:
            return "does not match the kept image itself"
        return None


def clusters(snapshot: Snapshot, request: SearchRequest, grouping: Grouping = _USUAL) -> Clusters:
    """Find groups of images that match at `request.threshold`, as `grouping` says.

    Images that are missing, uniform pictures and further names of one file are left out unless
    `request.show_all`.
    No image that is missing is kept in place of one that is there, and no name of the kept file is
    given up. The matches are not stored: memory grows with the number of images (a few dozen bytes
    each) and with the largest cluster. Raises `UsageError`.
    """
    return Clusters(snapshot, threshold_of(snapshot, request.threshold), request, grouping)


def _scores(snapshot: Snapshot, kept: int, others: Int64) -> Float64:
    """Score `others` with the kept image: float64 (n,), a few thousand vectors at a time."""
    one = snapshot.vectors_of(np.array([kept]))
    parts = []
    for start in range(0, len(others), _ROWS):
        some = snapshot.vectors_of(others[start : start + _ROWS])
        rows = np.arange(len(some))
        parts.append(score_pairs(one, some, np.zeros_like(rows), rows))
    return np.concatenate(parts)


def _smallest_score(snapshot: Snapshot, keys: Int64) -> float | None:
    """Return the smallest score of two images of a group; None for too many distinct vectors."""
    vectors = np.unique(snapshot.vectors_of(keys), axis=0)
    if len(vectors) == 1:
        return 1.0
    if len(vectors) > _MOST_COMPARED:
        return None
    starts = range(0, len(vectors), _MATRIX_ROWS)
    parts = (score_matrix(vectors[start : start + _MATRIX_ROWS], vectors) for start in starts)
    return float(min(part.min() for part in parts))


def pair_scores(snapshot: Snapshot, keys: Sequence[int]) -> list[float]:
    """Score all pairs of the images `keys`: the first with each later one, then the second, and on.

    Empty for more than `MAX_SCORED` images.
    """
    if len(keys) > MAX_SCORED:
        return []
    ascending = np.sort(np.array(keys, np.int64))
    vectors = snapshot.vectors_of(ascending)[np.searchsorted(ascending, keys)]
    one, two = np.triu_indices(len(keys), 1)
    scores: list[float] = score_pairs(vectors, vectors, one, two).tolist()
    return scores
