"""The canonical score is exact, the same in any order; `normalise` refuses bad vectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import oracle
from support.strategies import DIMS, KINDS, make
from vecsim.errors import UsageError, VectorError
from vecsim.search.score import (
    check_threshold,
    normalise,
    product_margin,
    score_matrix,
    score_pairs,
)


def all_pairs(queries, references):
    return [index.ravel() for index in np.indices((len(queries), len(references)))]


@given(st.sampled_from(KINDS), st.sampled_from(DIMS), st.integers(0, 2**32 - 1))
def test_scores_and_matrix_equal_the_oracle(kind, dim, seed):
    vectors = normalise(make(kind, 12, dim, seed))
    queries, references = vectors[:5], vectors[3:]
    truth = oracle.matrix(queries, references)
    scores = score_pairs(queries, references, *all_pairs(queries, references))
    np.testing.assert_array_equal(scores.reshape(truth.shape), truth)
    np.testing.assert_array_equal(score_matrix(queries, references), truth)


@given(st.sampled_from(KINDS), st.sampled_from(DIMS), st.integers(0, 2**32 - 1))
def test_float32_products_stay_within_the_margin(kind, dim, seed):
    vectors = normalise(make(kind, 20, dim, seed))
    scores = score_matrix(vectors, vectors)
    backwards = np.zeros_like(scores, np.float32)
    for column in range(dim - 1, -1, -1):  # another order of summation
        backwards += vectors[:, None, column] * vectors[None, :, column]
    for products in (vectors @ vectors.T, backwards):
        assert (products > scores - product_margin(dim)).all()
        assert (products < scores + product_margin(dim)).all()


def test_identical_images_score_exactly_one():
    vectors = normalise(np.random.default_rng(0).standard_normal((500, 768)))
    rows = np.arange(500)
    assert (score_pairs(vectors, vectors.copy(), rows, rows) == 1.0).all()
    assert (score_pairs(vectors, -vectors, rows, rows) == -1.0).all()


@pytest.mark.parametrize("dim", [128, 256, 500])
def test_ties_are_rounded_half_to_even(dim):
    """Cosines of sign vectors are m/dim: many lie exactly between two scores."""
    signs = normalise(np.sign(np.random.default_rng(1).standard_normal((20, dim))))
    truth = oracle.matrix(signs, signs)
    np.testing.assert_array_equal(score_matrix(signs, signs), truth)
    scores = score_pairs(signs, signs, *all_pairs(signs, signs))
    np.testing.assert_array_equal(scores.reshape(truth.shape), truth)


def test_no_score_is_minus_zero_and_no_pairs_have_no_scores():
    eye = normalise(np.eye(3))
    score = score_pairs(eye, -eye, np.array([0]), np.array([1]))
    assert not np.signbit(score).any()
    none = np.empty(0, np.int64)
    assert score_pairs(eye, eye, none, none).shape == (0,)
    assert score_matrix(eye[:0], eye).shape == (0, 3)
    assert score_matrix(eye, eye[:0]).shape == (3, 0)


@given(st.sampled_from(DIMS), st.floats(-300, 300), st.integers(0, 2**32 - 1))
def test_normalise_neither_overflows_nor_underflows(dim, exponent, seed):
    vectors = np.random.default_rng(seed).uniform(0.5, 1, (3, dim))
    unit = normalise(vectors * 10.0**exponent)
    assert unit.dtype == np.float32 and unit.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(unit.astype(np.float64), axis=1), 1, atol=1e-7)
    np.testing.assert_allclose(unit, normalise(vectors), rtol=1e-6)


def test_normalise_accepts_float16_integers_and_no_rows():
    assert normalise(np.float16([[3, 4]])).tolist() == [[np.float32(0.6), np.float32(0.8)]]
    assert normalise([[3, 4]]).tolist() == [[np.float32(0.6), np.float32(0.8)]]
    assert normalise(np.empty((0, 7))).shape == (0, 7)


def test_normalise_names_the_bad_rows():
    vectors = np.ones((100, 4))
    vectors[[3, 50]] = [[0], [np.nan]]
    vectors[60, 2] = np.inf
    with pytest.raises(VectorError, match=r"3 of 100 vectors .* rows 3, 50, 60, counted from 0"):
        normalise(vectors)
    with pytest.raises(VectorError, match="rows 0, 1, 2, 3, 4, …"):
        normalise(np.zeros((9, 4)))


@pytest.mark.parametrize("wrong", [[1.0, 2.0], np.ones((2, 2, 2)), [["a"]], [[1j]], [[1], [1, 2]]])
def test_normalise_refuses_other_shapes_and_types(wrong):
    with pytest.raises(VectorError):
        normalise(wrong)


@pytest.mark.parametrize("wrong", [1.0000001, -3, float("nan"), "much", None])
def test_threshold_outside_minus_one_to_one_is_refused(wrong):
    with pytest.raises(UsageError, match="between -1 and 1"):
        check_threshold(wrong)


@settings(max_examples=20)
@given(st.floats(-1, 1))
def test_threshold_inside_is_returned_unchanged(value):
    assert check_threshold(value) == value
