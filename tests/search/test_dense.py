"""No input is slow: pairs half-way between two scores, and answers of most pairs, at one go.

Counted are the operations that made them slow: pairs decided one by one with Python's integers, and
pairs whose vectors were gathered one by one.
"""

from unittest.mock import patch

import numpy as np
import pytest

from support import oracle
from support.searching import listed
from vecsim.search import candidates, rounding
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise, score_matrix, score_pairs
from vecsim.search.sketch import make_sketch
from vecsim.search.top_k import top_k

RANDOM = np.random.default_rng(7)


def signs(count, dim):
    return normalise(np.sign(RANDOM.standard_normal((count, dim))))


def cluster(count, dim, spread):
    noise = spread * RANDOM.standard_normal((count, dim))
    return normalise(RANDOM.standard_normal(dim) + noise)


@pytest.mark.parametrize("dim", [128, 256])
@pytest.mark.parametrize("values", ["signs", "bits", "few whole numbers"])
def test_half_way_scores_are_decided_together(values, dim):
    vectors = {
        "signs": signs(16, dim),
        "bits": normalise(RANDOM.integers(0, 2, (16, dim)) + np.eye(16, dim)),
        "few whole numbers": normalise(RANDOM.integers(-1, 2, (16, dim)) + np.eye(16, dim) * 2),
    }[values]
    rows = [index.ravel() for index in np.indices((16, 16))]
    truth = oracle.matrix(vectors, vectors)
    with patch.object(rounding, "_decide_exactly", wraps=rounding._decide_exactly) as slow:
        np.testing.assert_array_equal(score_matrix(vectors, vectors), truth)
        scores = score_pairs(vectors, vectors, *rows)
    np.testing.assert_array_equal(scores.reshape(truth.shape), truth)
    # Rounded to float32, rows of several values are no longer whole: random pairs among them.
    assert slow.call_count <= (0 if values == "signs" else 5)


def test_copies_of_one_half_way_pair_are_decided_once():
    one = np.zeros((1, 4), np.float32)
    one[0, 0] = 1
    wanted = (0.1234565 - 1e-12 * np.arange(-400, 400)).astype(np.float64)
    two = np.stack([wanted, np.sqrt(1 - wanted**2), 0 * wanted, 0 * wanted], 1).astype(np.float32)
    near = np.abs(two[:, 0].astype(float) * 1e6 % 1 - 0.5) < rounding.TIE_WINDOW
    copies = np.repeat(two[near][:1] if near.any() else two[:1], 500, axis=0)
    with patch.object(rounding, "_decide_exactly", wraps=rounding._decide_exactly) as slow:
        scores = score_matrix(one, copies)
    np.testing.assert_array_equal(scores, oracle.matrix(one, copies))
    assert slow.call_count <= 1


@pytest.mark.parametrize("sketched", [True, False])
@pytest.mark.parametrize(
    ("spread", "threshold"), [(0.1, 0.99), (0.1, -1.0), (0.0, 1.0), (100.0, -1.0)]
)
def test_dense_answers_are_scored_as_matrices(spread, threshold, sketched):
    vectors = cluster(5_000, 64, spread)
    queries, references = vectors[:100], vectors[100:]
    sketch = make_sketch(references, fit_axes(references)) if sketched else None
    with patch.object(candidates, "score_pairs", wraps=score_pairs) as gathered:
        found = range_search(queries, ReferenceBlock(references, sketch=sketch), threshold)
    one_by_one = sum(len(call.args[2]) for call in gathered.call_args_list)
    truth = oracle.matrix(queries, references)
    assert len(found) == (truth >= threshold).sum()
    np.testing.assert_array_equal(found.score, truth[found.query, found.reference])
    assert one_by_one <= 0.05 * truth.size


def test_top_k_in_a_tight_cluster_gathers_few_pairs():
    vectors = cluster(5_000, 64, 0.1)
    queries, references = vectors[:100], vectors[100:]
    block = ReferenceBlock(references, sketch=make_sketch(references, fit_axes(references)))
    with patch.object(candidates, "score_pairs", wraps=score_pairs) as gathered:
        found = top_k(queries, [block], 10)
    assert sum(len(call.args[2]) for call in gathered.call_args_list) <= 0.05 * 490_000
    truth = oracle.matrix(queries, references)
    for query in range(100):
        kth = np.sort(truth[query])[-10]
        own = [(row, score) for at, row, score in listed(found) if at == query]
        assert sorted(own) == [
            (row, truth[query, row]) for row in np.flatnonzero(truth[query] >= kth)
        ]


@pytest.mark.parametrize("sketched", [True, False])
def test_top_k_among_copies_gathers_few_pairs(sketched):
    """All references tie, but for those of another cluster; some are removed."""
    copies, others = cluster(4_000, 32, 0.0), cluster(1_500, 32, 0.01)
    references = np.concatenate([others[:500], copies, others[500:]])
    queries = np.concatenate([copies[:40], others[:40]])
    alive = RANDOM.random(len(references)) < 0.9
    sketch = make_sketch(references, fit_axes(references)) if sketched else None
    blocks = [ReferenceBlock(references, sketch=sketch, alive=alive), ReferenceBlock(others)]
    with patch.object(candidates, "score_pairs", wraps=score_pairs) as gathered:
        found = top_k(queries, blocks, 10)
    assert sum(len(call.args[2]) for call in gathered.call_args_list) <= 0.05 * 80 * 7_000
    truth = oracle.matrix(queries, np.concatenate([references, others]))
    truth[:, : len(alive)][:, ~alive] = -2
    wanted = truth >= np.sort(truth, axis=1)[:, -10, None]
    assert len(found) == wanted.sum()
    assert wanted[found.query, found.reference].all()
    np.testing.assert_array_equal(found.score, truth[found.query, found.reference])


@pytest.mark.parametrize("dim", [1, 17, 64, pytest.param(256, marks=pytest.mark.ci)])
@pytest.mark.parametrize("values", ["signs", "bits", "unit vectors", "wide", "norms of one side"])
def test_matrices_of_whole_numbers_equal_the_oracle(values, dim):
    """Signs and unit vectors have one norm, so that a table of products has all their scores."""
    vectors = {
        "signs": np.sign(RANDOM.standard_normal((60, dim))),
        "bits": RANDOM.integers(0, 2, (60, dim)) + np.eye(60, dim),
        "unit vectors": np.eye(dim)[RANDOM.integers(0, dim, 60)],
        "wide": RANDOM.integers(-200, 201, (60, dim)) + 0.5,
        "norms of one side": np.sign(RANDOM.standard_normal((60, dim))),
    }[values].astype(np.float32)
    if values == "norms of one side":
        vectors[:20, 0] *= 3
    for unit in (vectors[np.any(vectors, axis=1)], normalise(vectors[np.any(vectors, axis=1)])):
        np.testing.assert_array_equal(
            score_matrix(unit[:20], unit[20:]), oracle.matrix(unit[:20], unit[20:])
        )
