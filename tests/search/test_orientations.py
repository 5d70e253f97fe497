"""Searches in several orientations against the oracle: the largest score of any of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from support import oracle
from support.searching import listed, split_into_blocks
from vecsim.results import Pairs
from vecsim.search.orientations import OrientedQueries, best_k, best_orientations
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.top_k import top_k


@st.composite
def oriented_cases(draw):
    """(queries, references, scores (q, n), codes (q, n)), with ties and missing orientations."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, references, dim = (draw(st.sampled_from(sizes)) for sizes in ([1, 5], [3, 40], [2, 9]))
    # Few distinct values, so that many scores are equal.
    pool = random.integers(-2, 3, (count * 8 + references, dim)).astype(np.float32)
    pool[~pool.any(axis=1)] = 1
    rows = normalise(pool)
    stored = rows[count * 8 :]
    scores = np.full((count, references), -np.inf)
    codes = np.zeros((count, references), np.int64)
    others = {}
    for code in range(8):
        has = np.arange(count) if not code else np.flatnonzero(random.random(count) < 0.8)
        vectors = rows[code * count : (code + 1) * count][has]
        if code:
            others[code] = (has, vectors)
        for row, vector in zip(has.tolist(), vectors, strict=True):
            its = oracle.matrix(vector[None], stored)[0]
            better = its > scores[row]
            scores[row, better], codes[row, better] = its[better], code
    return OrientedQueries.of(rows[:count], others), stored, scores, codes


def named(pairs: Pairs) -> list[tuple[int, int, float, int]]:
    columns = (pairs.query, pairs.reference, pairs.score, pairs.orientations)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def expected(scores: np.ndarray, codes: np.ndarray, wanted: np.ndarray) -> list[tuple]:
    rows, columns = np.nonzero(wanted)
    values = (scores[rows, columns], codes[rows, columns])
    return sorted(zip(rows.tolist(), columns.tolist(), *(v.tolist() for v in values), strict=True))


@given(oriented_cases(), st.sampled_from([-1.0, 0.0, 0.5, 0.9, 1.0]))
def test_a_range_search_finds_the_best_orientation_of_each_pair(case, threshold):
    queries, references, scores, codes = case
    blocks = split_into_blocks(references, None, np.array([len(references) // 2]))
    found, start = [], 0
    for block in blocks:
        pairs = range_search(queries.vectors, block, threshold)
        found.append(Pairs(pairs.query, pairs.reference + start, pairs.score))
        start += len(block)
    best = best_orientations(queries.named(Pairs.concatenate(found)))
    assert named(best) == expected(scores, codes, scores >= threshold)


@given(oriented_cases(), st.sampled_from([1, 2, 5, 100]))
def test_top_k_counts_each_reference_once_and_keeps_ties(case, k):
    queries, references, scores, codes = case
    blocks = split_into_blocks(references, None, np.array([len(references) // 2]))
    best = best_k(queries.named(top_k(queries.vectors, blocks, k)), k, len(scores))
    kth = -np.sort(-scores, axis=1)[:, min(k, scores.shape[1]) - 1]
    assert named(best) == expected(scores, codes, scores >= kth[:, None])


def test_with_one_orientation_the_pairs_are_those_of_a_plain_search():
    rows = normalise(np.random.default_rng(5).standard_normal((30, 6)))
    (block,) = split_into_blocks(rows[4:], None, np.array([], np.int64))
    plain = range_search(rows[:4], block, 0.2)
    oriented = OrientedQueries.of(rows[:4], {})
    best = best_orientations(oriented.named(range_search(oriented.vectors, block, 0.2)))
    assert listed(best) == listed(plain)
    assert not best.orientations.any()
