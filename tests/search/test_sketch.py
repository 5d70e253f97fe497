"""The bound of a sketch holds whatever the data, and a search by sketch gives the same result."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import oracle
from support.searching import listed, search_cases, split_into_blocks
from support.strategies import DIMS, KINDS, make, vectors
from vecsim.search import bounds, products, sketch_search
from vecsim.search.axes import Axes, fit_axes
from vecsim.search.blocks import Queries, ReferenceBlock, choose_level
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.sketch import Sketch, make_sketch, score_cutoffs
from vecsim.search.top_k import top_k


def always(level):
    """A replacement of `choose_level` that chooses this level, if there are so many."""
    return lambda queries, sketch, *_, **__: min(level, len(sketch.levels) - 1)


def sketched(references, sample, alive=None):
    return ReferenceBlock(references, sketch=make_sketch(references, fit_axes(sample)), alive=alive)


def survive(level, queries, references, thresholds):
    """Which pairs survive the bound, computed without the int8 kernel: (q, n)."""
    sums = queries.codes.astype(np.int64) @ references.codes.astype(np.int64).T
    cutoffs = score_cutoffs(level, queries.offsets, thresholds)
    return sums + references.offsets >= cutoffs[:, None]


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.sampled_from(DIMS),
    st.integers(0, 2**32 - 1),
)
@pytest.mark.ci
def test_no_score_exceeds_its_bound(fitted, kind, dim, seed):
    """The bound must also hold where axes were fitted to another kind of vectors."""
    axes = fit_axes(normalise(make(fitted, 50, dim, seed)))
    rows = normalise(np.concatenate([make(kind, 20, dim, seed), make(fitted, 20, dim, seed + 1)]))
    rows[-1] = -rows[0]
    scores = oracle.matrix(rows, rows)
    sketch = make_sketch(rows, axes)
    for level, codes in zip(axes.levels, sketch.levels, strict=True):
        for column in range(len(rows)):
            reference = codes.slice_rows(slice(column, column + 1))
            assert survive(level, codes, reference, scores[:, column]).all()


@given(search_cases(), st.integers(0, 3), st.sampled_from([0, 8]), st.sampled_from([0, 1]))
def test_range_search_by_sketch_finds_exactly_the_pairs_of_the_oracle(case, first, few, level):
    queries, references, alive, threshold = case
    block = sketched(references, np.concatenate([references, queries]), alive)
    with (
        patch("vecsim.search.range_search.choose_level", always(level)),
        patch("vecsim.search.blocks.MAX_SINGLE_QUERIES", few),
    ):
        found = range_search(queries, block, threshold, first=first)
    assert listed(found) == oracle.range_search(queries, references, threshold, alive, first)


@given(
    search_cases(),
    st.sampled_from([1, 2, 3, 10, 100]),
    st.lists(st.integers(0, 40), max_size=3),
    st.sampled_from([0, 8]),
    st.sampled_from([0, 1]),
)
@pytest.mark.ci
def test_top_k_by_sketch_finds_the_best_of_the_oracle(case, k, bounds, few, level):
    queries, references, alive, _ = case
    blocks = [
        sketched(block.vectors, references, block.alive)
        for block in split_into_blocks(references, alive, np.array(bounds, np.int64))
    ]
    with (
        patch("vecsim.search.top_k.choose_level", always(level)),
        patch("vecsim.search.blocks.MAX_SINGLE_BEST", few),
        patch("vecsim.search.bounds.FEW_QUERIES", 64 * few),
        patch.object(sketch_search, "MAX_PRIMING_ROWS", 5),
        patch.object(sketch_search, "MAX_PRIMING_SUMS", 7),
        patch.object(sketch_search, "MIN_SCORED_BEST", 3),
    ):
        found = top_k(Queries(queries), blocks, k)
    assert listed(found) == oracle.top_k(queries, references, k, alive)


def like_images(count, seed, dim=256, groups=5000):
    """Vectors like those of images: small groups of near-duplicates, few directions that matter."""
    random = np.random.default_rng(seed)
    strength = 1 / np.arange(1, dim + 1) ** 0.8
    centres = random.standard_normal((groups, dim)) * strength
    rows = centres[random.integers(0, groups, count)]
    return normalise(rows + 0.3 * random.standard_normal((count, dim)) * strength + 0.02)


@pytest.mark.parametrize(("batch", "level"), [(1, 1), (1000, 0), (1000, 1)])
@pytest.mark.parametrize("threshold", [0.85, 0.97])
@pytest.mark.ci
def test_tiles_and_single_queries_find_the_same_in_a_large_block(batch, level, threshold):
    references, queries = like_images(20_000, 1), like_images(1000, 1)
    block = sketched(references, references[::3])
    assert choose_level(Queries(queries), block.sketch, np.full(1000, 0.97)) is not None
    truth = oracle.range_search(queries, references, threshold)
    assert len(truth) > 500
    found = []
    for start in range(0, 1000, batch):
        with patch("vecsim.search.range_search.choose_level", always(level)):
            pairs = range_search(queries[start : start + batch], block, threshold)
        found += [(start + q, r, s) for q, r, s in listed(pairs)]
        if start >= 50:  # one by one takes long; fifty queries suffice
            truth = [pair for pair in truth if pair[0] <= start]
            break
    assert found == truth


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.ci
def test_top_k_of_large_blocks_equals_the_oracle(batch):
    references, queries = like_images(20_000, 1), like_images(batch, 1)
    blocks = [sketched(references[:9000], references), sketched(references[9000:], references)]
    assert listed(top_k(queries, blocks, 10)) == oracle.top_k(queries, references, 10)


def test_level_depends_on_how_many_pairs_survive():
    """Where few pairs come near the threshold, the coarse level excludes as many."""
    queries, references = like_images(1000, 1), like_images(20_000, 2)
    sketch = make_sketch(references, fit_axes(references))
    assert choose_level(Queries(queries), sketch, np.full(1000, 0.9999)) == 0
    assert choose_level(Queries(queries), sketch, np.full(1000, 0.9)) == 1
    assert choose_level(Queries(queries), sketch, np.full(1000, -1.0)) is None
    assert choose_level(Queries(queries[:1]), sketch, np.full(1, 0.9999)) == 1  # after the coarse


def test_vectors_without_structure_take_the_plain_path():
    random = np.random.default_rng(0)
    rows = normalise(random.standard_normal((6000, 256)))
    sketch = make_sketch(rows, fit_axes(rows))
    assert choose_level(Queries(rows), sketch, np.full(6000, 0.2)) is None
    assert choose_level(Queries(rows[:1]), sketch, np.full(1, 0.2)) is None
    assert choose_level(Queries(rows), None, np.full(6000, 0.2)) is None


def test_the_queries_own_sketch_is_used_for_equal_axes():
    rows = like_images(2000, 2)
    sketch = make_sketch(rows, fit_axes(rows))
    queries = Queries(rows, sketch)
    assert queries.codes(sketch.axes, 0) is sketch.levels[0]
    other = fit_axes(rows[:500])
    assert queries.codes(other, 0) is queries.codes(other, 0)
    assert queries.codes(other, 0) is not sketch.levels[0]


def test_stored_axes_and_sketches_are_restored_equal(tmp_path):
    rows = like_images(500, 3, dim=300)
    sketch = make_sketch(rows, fit_axes(rows))
    np.savez(tmp_path / "axes.npz", **sketch.axes.to_arrays())
    np.savez(tmp_path / "sketch.npz", **sketch.to_arrays())
    with np.load(tmp_path / "axes.npz") as stored:
        axes = Axes.from_arrays(stored)
    with np.load(tmp_path / "sketch.npz") as stored:
        again = Sketch.from_arrays(axes, stored)
    assert axes.id == sketch.axes.id != fit_axes(rows[:100]).id
    for one, two in zip(sketch.levels, again.levels, strict=True):
        np.testing.assert_array_equal(one.codes, two.codes)
        np.testing.assert_array_equal(one.offsets, two.offsets)
    assert fit_axes(rows).id == axes.id
    with pytest.raises(ValueError, match="format"):
        Axes.from_arrays(axes.to_arrays() | {"format": np.array([0])})


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-3, 1e200, 1e38, 0])
def test_axes_with_numbers_that_no_vectors_have_are_refused(value):
    """Those of an untrusted index could overflow in each search."""
    stored = fit_axes(like_images(200, 3, dim=64)).to_arrays()
    for place in range(4):
        scales = stored["scales0"].copy()
        scales[place] = value
        if value or not place:
            with pytest.raises(ValueError, match="no vectors"):
                Axes.from_arrays(stored | {"scales0": scales})
    projection = stored["plane0"].astype(np.float64)
    projection[3, 2] = value
    if not 0 <= abs(value) <= 2:
        with pytest.raises(ValueError, match="no vectors"):
            Axes.from_arrays(stored | {"plane0": projection})


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("dim", [1, 2, 64, 130])
def test_axes_can_be_fitted_to_no_and_few_vectors(count, dim):
    rows = normalise(np.random.default_rng(0).standard_normal((count, dim)))
    axes = fit_axes(rows)
    assert make_sketch(rows, axes).levels[-1].codes.shape == (count, axes.levels[-1].code_count)


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_products_of_codes_are_exact_with_and_without_numkong(height, count, width, seed):
    random = np.random.default_rng(seed)
    left = random.integers(-127, 128, (height, width), dtype=np.int8)
    right = random.choice(np.array([-127, 127], np.int8), (count, width))
    truth = left.astype(np.int64) @ right.astype(np.int64).T
    buffer = np.empty(height * count, np.int32)
    np.testing.assert_array_equal(products.PackedCodes(right).products(left, buffer), truth)
    with patch.object(products, "numkong", None):
        np.testing.assert_array_equal(products.PackedCodes(right).products(left, buffer), truth)


@given(st.lists(st.booleans(), max_size=50))
def test_sparse_flatnonzero_equals_flatnonzero(mask):
    mask = np.array(mask, np.bool_)
    np.testing.assert_array_equal(bounds.sparse_flatnonzero(mask), np.flatnonzero(mask))


@given(st.data())
def test_search_without_numkong_gives_the_same_result(data):
    rows = normalise(data.draw(vectors(st.just(60), 128)))
    with (
        patch.object(products, "numkong", None),
        patch("vecsim.search.range_search.choose_level", always(1)),
    ):
        found = range_search(rows, sketched(rows, rows), 0.7)
    assert listed(found) == oracle.range_search(rows, rows, 0.7)


@pytest.mark.parametrize("few", [0, 8])
def test_mapped_sketches_and_vectors_are_searched_in_place(tmp_path, few):
    rows = like_images(3000, 5)
    sketch = make_sketch(rows, fit_axes(rows))
    np.save(tmp_path / "vectors.npy", rows)
    for name, array in sketch.to_arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    stored = {p.stem: np.load(p, mmap_mode="r") for p in tmp_path.glob("*.npy")}
    block = ReferenceBlock(stored.pop("vectors"), sketch=Sketch.from_arrays(sketch.axes, stored))
    with (
        patch("vecsim.search.range_search.choose_level", always(1)),
        patch("vecsim.search.blocks.MAX_SINGLE_QUERIES", few),
    ):
        found = range_search(rows[:5], block, 0.9)
    assert listed(found) == oracle.range_search(rows[:5], rows, 0.9)


@pytest.mark.parametrize("few", [0, 8])
def test_rectangles_are_multiplied_where_most_pairs_survive(few):
    """The bound excludes nothing here, and the choice by a sample is switched off."""
    random = np.random.default_rng(7)
    rows = normalise(random.standard_normal((9000, 130)))
    block = sketched(rows, rows, alive=random.random(9000) < 0.5)
    with (
        patch("vecsim.search.range_search.choose_level", always(1)),
        patch("vecsim.search.blocks.MAX_SINGLE_QUERIES", few),
    ):
        found = range_search(rows[:6], block, 0.2, first=10)
    assert listed(found) == oracle.range_search(rows[:6], rows, 0.2, block.alive, first=10)
