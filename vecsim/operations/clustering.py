"""Clusters of similar images, and which image of each to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.orientation_scores import best_scores
from vecsim.operations.decided_groups import DecidedGroups
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import FileStates, PairFilter, file_states
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.keeping import Keeper
from vecsim.operations.linkage import LINKAGES, MatchGraph, groups_of
from vecsim.operations.orienting import check_stored
from vecsim.operations.requests import Grouping, SearchRequest
from vecsim.orientations import AS_IT_IS, NAMES, codes_of
from vecsim.records import Bool, Float64, Int64
from vecsim.results import Cluster
from vecsim.search.score import score_matrix

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
    different, as SHA-256. `codes`: the orientations in which images are compared. `oriented`:
    whether these are several. `not_turned`: images of which not all of them are stored. `watch` is
    called often with the number of images whose matches were searched for.
    """

    def __init__(
        self, snapshot: Snapshot, threshold: float, request: SearchRequest, grouping: Grouping
    ) -> None:
        self.watch: Callable[[int], None] = lambda done: None
        self.hidden: Counter[str] = Counter()
        self.separated = 0
        self.contradictions: list[tuple[str, ...]] = []
        self._same: dict[str, str] = {}
        self._snapshot = snapshot
        self._threshold = threshold
        self._request = request
        self._grouping = grouping
        self.codes = codes_of(request.orientations or "none")
        self.oriented = len(self.codes) > 1
        self.not_turned = check_stored(snapshot, request.orientations or "none")

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
        graph = MatchGraph(
            self._snapshot, self._threshold, keys, visible, pair_filter, self.codes, self.watch
        )
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
        its_scores, its_codes = _scores(snapshot, kept.key, others, self.codes)
        scores = {kept.key: 1.0, **dict(zip(others.tolist(), its_scores.tolist(), strict=True))}
        codes = {kept.key: 0, **dict(zip(others.tolist(), its_codes.tolist(), strict=True))}
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
            _smallest_score(snapshot, keys, self.codes),
            tuple(NAMES[codes[row.key]] for row in ordered) if self.oriented else (),
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
    threshold = threshold_of(snapshot, request.threshold, request.orientations)
    return Clusters(snapshot, threshold, request, grouping)


def _scores(
    snapshot: Snapshot, kept: int, others: Int64, codes: Sequence[int]
) -> tuple[Float64, Int64]:
    """Score `others` with the kept image, a few thousand at a time: float64 (n,).

    Returns also in which orientation each of `others` has its score: int64 (n,).
    """
    one = (snapshot, np.array([kept]))
    parts = [
        best_scores((snapshot, others[start : start + _ROWS]), one, codes)
        for start in range(0, len(others), _ROWS)
    ]
    scores, best = (np.concatenate(part)[:, 0] for part in zip(*parts, strict=True))
    return scores, best


def _smallest_score(snapshot: Snapshot, keys: Int64, codes: Sequence[int]) -> float | None:
    """Return the smallest score of two images of a group; None for too many distinct vectors."""
    if len(codes) > 1:
        if len(keys) > _MOST_COMPARED:
            return None
        rows = (keys[start : start + _MATRIX_ROWS] for start in range(0, len(keys), _MATRIX_ROWS))
        images = (snapshot, keys)
        return float(min(best_scores((snapshot, some), images, codes)[0].min() for some in rows))
    vectors = np.unique(snapshot.vectors_of(keys), axis=0)
    if len(vectors) == 1:
        return 1.0
    if len(vectors) > _MOST_COMPARED:
        return None
    starts = range(0, len(vectors), _MATRIX_ROWS)
    parts = (score_matrix(vectors[start : start + _MATRIX_ROWS], vectors) for start in starts)
    return float(min(part.min() for part in parts))


def pair_scores(
    snapshot: Snapshot, keys: Sequence[int], codes: Sequence[int] = (AS_IT_IS,)
) -> list[float]:
    """Score all pairs of the images `keys`: the first with each later one, then the second, and on.

    In the orientations `codes`. Empty for more than `MAX_SCORED` images.
    """
    if len(keys) > MAX_SCORED:
        return []
    ascending = np.sort(np.array(keys, np.int64))
    images = (snapshot, ascending)
    scores, _ = best_scores(images, images, codes)
    places = np.searchsorted(ascending, keys)
    one, two = np.triu_indices(len(keys), 1)
    found: list[float] = scores[places[one], places[two]].tolist()
    return found
