"""Matches and clusters in several orientations, over random vectors and segments: the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.on_disk import scratch
from support.oriented import make_index, random_images, scores_of
from vecsim.errors import UsageError
from vecsim.index import Snapshot
from vecsim.operations import clustering, matching, querying
from vecsim.operations.requests import Grouping, SearchRequest
from vecsim.orientations import NAMES, SETTINGS

SETTING = st.sampled_from([name for name in SETTINGS if name != "none"])
CUTS = st.lists(st.integers(0, 50), max_size=6)
Pair = tuple[str, str, float, str | None]


def listed(matches: matching.Matches) -> list[Pair]:
    return [(m.query_id, m.reference_id, m.score, m.orientation) for m in matches]


def expected(scores: np.ndarray, codes: np.ndarray, wanted: np.ndarray) -> list[Pair]:
    """The wanted pairs in the order of matches: query, falling score, reference."""
    rows, columns = np.nonzero(wanted)
    found = [
        (f"{row:03}", f"{column:03}", float(scores[row, column]), NAMES[codes[row, column]])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return sorted(found, key=lambda pair: (pair[0], -pair[2], pair[1]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), CUTS, CUTS, SETTING, st.sampled_from([0.3, 0.7, 0.9]))
@pytest.mark.ci
def test_matches_are_those_of_the_definition(seed, cuts, other_cuts, setting, threshold):
    random = np.random.default_rng(seed)
    ours, theirs = random_images(random, 13), random_images(random, 9)
    codes = SETTINGS[setting]
    request = SearchRequest(threshold, orientations=setting)
    with scratch() as folder:
        a, b = make_index(folder / "a", ours, cuts), make_index(folder / "b", theirs, other_cuts)
        with Snapshot(a) as queries, Snapshot(b) as references:
            scores, which = scores_of(ours, theirs, codes)
            found = listed(matching.match(queries, references, request))
            assert found == expected(scores, which, scores >= threshold)
            shape = matching.write_matrix(queries, references, folder / "m.npy", codes)
            assert shape == scores.shape
            assert np.array_equal(np.load(folder / "m.npy"), scores)

            scores, which = scores_of(ours, ours, codes, itself=True)
            wanted = np.triu(scores >= threshold, 1)
            assert listed(matching.match(queries, queries, request)) == expected(
                scores, which, wanted
            )
            matching.write_matrix(queries, queries, folder / "m.npy", codes)
            assert np.array_equal(np.load(folder / "m.npy"), scores)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), CUTS, SETTING)
def test_selections_use_the_scores_of_the_definition(seed, cuts, setting):
    """The best of each query, mutual and one-to-one pairs are chosen among the expected pairs."""
    random = np.random.default_rng(seed)
    ours, theirs = random_images(random, 8), random_images(random, 9)
    with scratch() as folder:
        a, b = make_index(folder / "a", ours, cuts), make_index(folder / "b", theirs, [])
        with Snapshot(a) as queries, Snapshot(b) as references:

            def chosen(**how: bool) -> list[Pair]:
                request = SearchRequest(0.5, orientations=setting, **how)
                return listed(matching.match(queries, references, request))

            scores, which = scores_of(ours, theirs, SETTINGS[setting])
            everything = expected(scores, which, scores >= 0.5)
            first = {}
            for pair in everything:
                first.setdefault(pair[0], pair)
            assert chosen(best_only=True) == list(first.values())
            best_of_reference = {}
            for pair in sorted(everything, key=lambda p: (p[1], -p[2], p[0])):
                best_of_reference.setdefault(pair[1], pair)
            mutual = [pair for pair in first.values() if best_of_reference[pair[1]] == pair]
            assert chosen(mutual=True) == mutual
            taken: list[Pair] = []
            for pair in sorted(everything, key=lambda p: (-p[2], p[0], p[1])):
                if not any(pair[0] == p[0] or pair[1] == p[1] for p in taken):
                    taken.append(pair)
            assert chosen(one_to_one=True) == sorted(taken, key=lambda p: p[0])


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), CUTS, SETTING)
def test_clusters_are_those_of_the_definition(seed, cuts, setting):
    images = random_images(np.random.default_rng(seed), 14)
    scores, which = scores_of(images, images, SETTINGS[setting], itself=True)
    with scratch() as folder, Snapshot(make_index(folder / "a", images, cuts)) as snapshot:
        request = SearchRequest(0.8, orientations=setting)
        chained = list(clustering.clusters(snapshot, request, Grouping("components")))
        parts = _components(scores >= 0.8)
        assert sorted(sorted(ref.id for ref in one.members) for one in chained) == parts
        for group in chained:
            rows = [int(ref.id) for ref in group.members]
            assert list(group.scores[1:]) == [scores[rows[0], row] for row in rows[1:]]
            assert list(group.orientations[1:]) == [NAMES[which[row, rows[0]]] for row in rows[1:]]


def _components(matches: np.ndarray) -> list[list[str]]:
    reached = matches | np.eye(len(matches), dtype=bool)
    for _ in range(len(matches)):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    groups = {tuple(np.flatnonzero(row).tolist()) for row in reached}
    return sorted([f"{row:03}" for row in group] for group in groups if len(group) > 1)


def test_a_query_by_id_turns_the_query(tmp_path: Path) -> None:
    images = random_images(np.random.default_rng(8), 12, complete=True)
    scores, which = scores_of(images, images, SETTINGS["all"])
    with Snapshot(make_index(tmp_path / "i", images, [4])) as snapshot:
        found = querying.query_ids(snapshot, ["005"], SearchRequest(0.6, orientations="all"))
        wanted = np.zeros_like(scores, bool)
        wanted[5] = scores[5] >= 0.6
        wanted[5, 5] = False
        assert listed(found) == expected(scores, which, wanted)
        as_it_is = listed(querying.query_ids(snapshot, ["005"], SearchRequest(-1)))
        assert {orientation for *_, orientation in as_it_is} == {None}


def test_only_recent_pairs(tmp_path: Path) -> None:
    images = random_images(np.random.default_rng(9), 10)
    scores, which = scores_of(images, images, SETTINGS["turns"], itself=True)
    path = make_index(tmp_path / "i", images, [6])
    with Snapshot(path) as snapshot:
        since = snapshot.row_of("006").added_at
        found = matching.match(
            snapshot, snapshot, SearchRequest(0.5, since=since, orientations="turns")
        )
        wanted = np.triu(scores >= 0.5, 1)
        wanted[:6, :6] = False
        assert listed(found) == expected(scores, which, wanted)


def test_an_index_that_stores_none_is_refused_with_the_way_to_add_them(tmp_path: Path) -> None:
    images = random_images(np.random.default_rng(9), 3)
    images.has[:, 2] = False
    path = make_index(tmp_path / "i", images, [])
    with Snapshot(path) as snapshot:
        request = SearchRequest(0.5, orientations="turns")
        for search in (
            lambda: matching.match(snapshot, snapshot, request),
            lambda: clustering.clusters(snapshot, request),
            lambda: querying.query_ids(snapshot, ["001"], request),
        ):
            with pytest.raises(UsageError, match=r"add\(\[\], orientations='turns'\)"):
                search()
        mirrored = matching.match(snapshot, snapshot, SearchRequest(0.5, orientations="mirror"))
        assert mirrored.not_turned == int((~images.has[:, 4]).sum())
