"""Mutual best matches, one-to-one pairs and unmatched images, against a plain computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support import oracle
from vecsim import Index, match
from vecsim.errors import UsageError
from vecsim.operations import matching
from vecsim.operations.external_vectors import VectorTable, create_from_vectors
from vecsim.operations.requests import SearchRequest
from vecsim.operations.selection import MatchedImages

Pair = tuple[str, str, float]


def make(path: Path, count: int, seed: int) -> tuple[Path, list[str], np.ndarray]:
    """An index of vectors of small whole numbers, of which many have equal scores."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 3, (count, 4)).astype(np.float32)
    vectors[~vectors.any(axis=1), 0] = 1
    ids = [f"i{number}" for number in random.permutation(count)]
    create_from_vectors(path, VectorTable(vectors, ids))
    return path, ids, vectors


def mutual(pairs: list[Pair], itself: bool) -> set[tuple[str, str]]:
    """The mutual best matches, by the definition."""

    def best(image: str, side: int) -> str:
        sides = (0, 1) if itself else (side,)
        partners = [(-p[2], p[1 - s]) for p in pairs for s in sides if p[s] == image]
        return min(partners)[1]

    return {(q, r) for q, r, _ in pairs if best(q, 0) == r and best(r, 1) == q}


def one_to_one(pairs: list[Pair], itself: bool) -> set[tuple[str, str]]:
    """The one-to-one pairs, by the definition: the best pair of the images that are left."""
    chosen: set[tuple[str, str]] = set()
    left = list(pairs)
    while left:
        order = (lambda p: (-p[2], *sorted(p[:2]))) if itself else (lambda p: (-p[2], *p[:2]))
        q, r, _ = min(left, key=order)
        chosen.add((q, r))
        both = {q, r}
        left = [p for p in left if (both.isdisjoint(p[:2]) if itself else p[0] != q and p[1] != r)]
    return chosen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("itself", [False, True], ids=["two sets", "one set"])
def test_selections_equal_those_of_the_full_matrix(
    seed: int, itself: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.index.join.LARGEST_BLOCK", 32)
    a, ids, vectors = make(tmp_path / "a", 120, seed)
    b, other_ids, others = (a, ids, vectors) if itself else make(tmp_path / "b", 90, seed + 100)
    scores = oracle.matrix(vectors, others)
    pairs = [
        (ids[row], other_ids[column], float(scores[row, column]))
        for row, column in np.argwhere(scores >= 0.9).tolist()
        if not itself or row < column
    ]
    assert len({p[2] for p in pairs}) < len(pairs) / 4  # many ties
    sets = (a,) if itself else (a, b)

    for options, expected in (
        ({"mutual": True}, mutual(pairs, itself)),
        ({"one_to_one": True}, one_to_one(pairs, itself)),
    ):
        found = match(*sets, threshold=0.9, **options).to_numpy()
        assert {(q, r) for q, r, _ in found.tolist()} == expected
        assert set(found.tolist()) <= set(pairs)
        positions = [ids.index(q) for q in found["query_id"]]
        assert positions == sorted(positions)


def test_mutual_best_matches_are_among_the_one_to_one_pairs(tmp_path: Path) -> None:
    a, *_ = make(tmp_path / "a", 150, 7)
    b, *_ = make(tmp_path / "b", 150, 8)
    both = [
        set(match(a, b, threshold=0.8, **{name: True}).to_numpy().tolist())
        for name in ("mutual", "one_to_one")
    ]
    assert len(both[0]) > 10
    assert both[0] < both[1]


def test_since_filters_the_pairs_that_were_selected_among_all(tmp_path: Path) -> None:
    vectors = np.array([[1, 0], [0.99, 0.14], [0.9, 0.44]])
    with Index.from_vectors(tmp_path / "i", vectors[:2], ["a", "b"]) as index:
        index.add_vectors(vectors[2:], ["c"])
        moment = max(row.added_at for row in index.snapshot.all_rows())
        since = [(m.query_id, m.reference_id) for m in match(index, threshold=0.5, since=moment)]
        assert since == [("a", "c"), ("b", "c")]
        # The best match of b is a, so that no mutual pair is new.
        for options in ({"mutual": True}, {"one_to_one": True}):
            assert list(match(index, threshold=0.5, since=moment, **options)) == []


def test_only_one_selection_can_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Ask for one of these only"):
        SearchRequest(mutual=True, one_to_one=True)
    with pytest.raises(UsageError, match="Ask for one of these only"):
        SearchRequest(best_only=True, mutual=True)


@pytest.mark.parametrize("itself", [False, True], ids=["two sets", "one set"])
def test_unmatched_images_are_those_in_no_pair(itself: bool, tmp_path: Path) -> None:
    a, ids, _ = make(tmp_path / "a", 100, 3)
    b, *_ = make(tmp_path / "b", 10, 4)
    with matching.open_pair([a] if itself else [a, b]) as (queries, references):
        found = matching.match(queries, references, SearchRequest(0.95))
        pairs = list(found)
        matched = MatchedImages(queries, itself=itself)
        list(matched.watch(found.blocks()))
        in_pairs = {m.query_id for m in pairs} | {m.reference_id for m in pairs if itself}
        assert 5 < len(in_pairs) < 100
        assert [ref.id for ref in matched.unmatched()] == [i for i in ids if i not in in_pairs]
        assert matched.count == 100 - len(in_pairs)
