"""Matches and queries of an index on disk equal the full float64 matrix, thresholded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import oracle
from support.on_disk import make_in_chunks, scratch, stored
from support.strategies import vectors
from vecsim import Index, match
from vecsim.index import join

Answer = list[tuple[str, str, float]]

settings.register_profile("index", deadline=None, max_examples=40)
settings.load_profile("index")


@dataclass(frozen=True)
class Case:
    """Two sets of vectors, how each was committed, what was removed again, and a threshold."""

    queries: np.ndarray
    references: np.ndarray
    cuts: list[int]
    removed: list[int]
    threshold: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    dim = draw(st.sampled_from([1, 2, 3, 17, 64, 300]))
    sizes = st.sampled_from([0, 1, 2, 7, 40])
    q, r = draw(sizes), draw(sizes)
    both = draw(vectors(st.just(q + r), dim))
    thresholds = st.sampled_from([-1.0, 0.0, 0.5, 0.845, 1.0]) | st.floats(-1, 1)
    if q and r:
        # Scores that occur are the most difficult thresholds: they are inclusive.
        occurring = oracle.matrix(unit(both[:q]), unit(both[q:]))
        thresholds |= st.sampled_from(np.unique(occurring).tolist())
    cuts = draw(st.lists(st.integers(0, 40), max_size=5))
    removed = draw(st.lists(st.integers(0, 39), max_size=8, unique=True))
    return Case(both[:q], both[q:], cuts, removed, draw(thresholds))


def unit(rows: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    wide /= np.abs(wide).max(axis=1, keepdims=True, initial=1e-300)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)


def make(folder: Path, case: Case) -> tuple[Index, Index]:
    """Both sets as indexes. The order of the ids as text is not that of their rows."""
    queries = make_in_chunks(folder / "q", case.queries, ids_of(case.queries, "q"), case.cuts)
    ids = ids_of(case.references, "r")
    references = make_in_chunks(folder / "r", case.references, ids, case.cuts)
    references.remove([ids[row] for row in case.removed if row < len(ids)])
    return queries, references


def ids_of(rows: np.ndarray, letter: str) -> list[str]:
    return [f"{letter}{row * 7 % 41}" for row in range(len(rows))]


def answer(
    queries: tuple[list[str], np.ndarray],
    references: tuple[list[str], np.ndarray],
    threshold: float,
    *,
    later: bool = False,
) -> Answer:
    """The expected result: queries in order, then falling score, then reference id as text."""
    (query_ids, left), (reference_ids, right) = queries, references
    pairs = [
        (row, -score, reference_ids[column])
        for row, column, score in oracle.pairs_above(left, right, threshold)
        if not later or column > row
    ]
    return [(query_ids[row], id_, -score) for row, score, id_ in sorted(pairs)]


def first_of(pairs: Answer, query: str) -> tuple[str, str, float]:
    return next(pair for pair in pairs if pair[0] == query)


def listed(found: np.ndarray) -> Answer:
    return [(str(q), str(r), float(s)) for q, r, s in found.tolist()]


@given(cases())
def test_every_match_equals_the_oracle(case: Case) -> None:
    with scratch() as folder:
        left, right = make(folder, case)
        dim = case.references.shape[1]
        queries, references = stored(left.path, dim), stored(right.path, dim)
        np.testing.assert_allclose(queries[1], unit(case.queries), atol=1e-6)
        truth = answer(queries, references, case.threshold)

        assert listed(match(left, right, threshold=case.threshold).to_numpy()) == truth
        best = [first_of(truth, query) for query in dict.fromkeys(pair[0] for pair in truth)]
        found = match(left, right, threshold=case.threshold, best_only=True)
        assert listed(found.to_numpy()) == best
        itself = match(right, threshold=case.threshold)
        assert listed(itself.to_numpy()) == answer(
            references, references, case.threshold, later=True
        )


@given(cases(), st.sampled_from([1, 3, 100]))
@pytest.mark.ci
def test_every_query_equals_the_oracle(case: Case, k: int) -> None:
    with scratch() as folder:
        left, index = make(folder, case)
        dim = case.references.shape[1]
        references = stored(index.path, dim)
        queries = [str(row) for row in range(len(case.queries))], stored(left.path, dim)[1]

        found = index.query(case.queries, threshold=case.threshold)
        assert listed(found.to_numpy()) == answer(queries, references, case.threshold)
        everything = answer(queries, references, -1.0)
        expected = [p for q in queries[0] for p in [a for a in everything if a[0] == q][:k]]
        assert listed(index.query(case.queries, top_k=k).to_numpy()) == expected

        own = references[0]
        others = [a for a in answer(references, references, -1.0) if a[0] != a[1]]
        wanted = [a for a in others if a[2] >= case.threshold]
        assert listed(index.query_ids(own, threshold=case.threshold).to_numpy()) == wanted
        nearest = [p for q in own for p in [a for a in others if a[0] == q][:k]]
        assert listed(index.query_ids(own, top_k=k).to_numpy()) == nearest


@pytest.mark.parametrize("pairs_per_block", [0, 5, 10_000])
def test_a_match_does_not_depend_on_the_size_of_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs_per_block: int
) -> None:
    random = np.random.default_rng(5)
    rows = random.standard_normal((150, 3))
    rows[100:] = rows[:50]
    ids = [str(row * 7 % 150) for row in range(150)]
    index = make_in_chunks(tmp_path / "i", rows, ids, [10, 60, 61])
    own = stored(index.path, 3)
    monkeypatch.setattr(join, "PAIRS_PER_BLOCK", pairs_per_block)
    assert listed(match(index, threshold=0.9).to_numpy()) == answer(own, own, 0.9, later=True)
    both = match(index, index.path, threshold=0.9).to_numpy()
    assert listed(both) == answer(own, own, 0.9)
