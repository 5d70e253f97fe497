"""Matches, queries and clusters with decisions equal those of the full matrix without the pairs.

The images are vectors of small whole numbers with bytes of their own, so that any pair can be
decided; some have the same bytes.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from support import oracle
from vecsim import Index, match
from vecsim.index.writer import Writer
from vecsim.operations import matching
from vecsim.records import Embedded, ImageFacts, ImageRef

THRESHOLD = 0.8


class Set:
    """An index of `count` images and what it holds, for the oracle."""

    def __init__(self, path: Path, count: int, seed: int) -> None:
        self.path = path
        random = np.random.default_rng(seed)
        vectors = random.integers(-2, 4, (count, 4)).astype(np.float32)
        vectors[~vectors.any(axis=1), 0] = 1
        # Every tenth image has the bytes, and so the vector, of the one before it.
        content = [number - (number % 10 == 9) for number in range(count)]
        vectors = vectors[content] / np.linalg.norm(vectors[content], axis=1, keepdims=True)
        self.vectors = vectors.astype(np.float32)
        self.ids = [f"i{number}" for number in random.permutation(count)]
        self.hashes = [sha256(b"%d %d" % (seed, number)).hexdigest() for number in content]
        Index.from_vectors(path, self.vectors[:0], [], model="golden").close()
        images = [
            Embedded(
                ImageRef(image_id, f"https://example.com/{image_id}.jpg"),
                ImageFacts(sha256=digest, byte_count=1, width=8, height=8),
                vector,
            )
            for image_id, digest, vector in zip(self.ids, self.hashes, self.vectors, strict=True)
        ]
        with Writer(path) as writer:
            writer.commit(images[: count // 2])
            writer.commit(images[count // 2 :])

    def hash_of(self, image_id: str) -> str:
        return self.hashes[self.ids.index(image_id)]


def pairs_of(a: Set, b: Set | None = None) -> list[tuple[str, str, float]]:
    """All pairs of the full matrix at the threshold, those of one set once."""
    other = b or a
    scores = oracle.matrix(a.vectors, other.vectors)
    return [
        (a.ids[row], other.ids[column], float(scores[row, column]))
        for row, column in np.argwhere(scores >= THRESHOLD).tolist()
        if b is not None or row < column
    ]


def decide(index: Path, pairs: list[tuple[str, str]], verdict: str, queries: Path | None = None):
    with Index.open(index) as opened:
        for first, second in pairs:
            opened.decide(first, second, verdict, queries=queries)


def some_pairs(pairs: list[tuple[str, str, float]], a: Set, b: Set, count: int, seed: int):
    """`count` of the pairs whose bytes differ."""
    decidable = [(q, r) for q, r, _ in pairs if a.hash_of(q) != b.hash_of(r)]
    chosen = np.random.default_rng(seed).choice(len(decidable), count, replace=False)
    return [decidable[number] for number in chosen.tolist()]


def without(pairs, decided, a: Set, b: Set) -> list[tuple[str, str, float]]:
    """The pairs that are not decided: those with the bytes of a decided pair are left out too."""
    hidden = {frozenset((a.hash_of(q), b.hash_of(r))) for q, r in decided}
    return [p for p in pairs if frozenset((a.hash_of(p[0]), b.hash_of(p[1]))) not in hidden]


@pytest.fixture
def one(tmp_path: Path) -> Set:
    return Set(tmp_path / "one", 150, 1)


@pytest.fixture
def other(tmp_path: Path) -> Set:
    return Set(tmp_path / "other", 120, 2)


def test_a_match_has_exactly_the_pairs_of_the_matrix_that_are_not_decided(one: Set) -> None:
    every = pairs_of(one)
    decided = some_pairs(every, one, one, 40, 3)
    decide(one.path, decided, "different")
    expected = without(every, decided, one, one)
    assert len(every) - len(expected) > 40  # some of them have copies

    found = match(one.path, threshold=THRESHOLD)

    assert sorted(found.to_numpy().tolist()) == sorted(expected)
    assert dict(found.hidden) == {"different": len(every) - len(expected)}
    assert len(list(found)) == len(expected)
    assert dict(found.hidden) == {"different": len(every) - len(expected)}
    shown = match(one.path, threshold=THRESHOLD, show_all=True)
    assert sorted(shown.to_numpy().tolist()) == sorted(every)
    assert dict(shown.hidden) == {}


def test_two_indexes_use_the_decisions_of_both(one: Set, other: Set) -> None:
    every = pairs_of(one, other)
    decided = some_pairs(every, one, other, 30, 4)
    decide(other.path, decided[:15], "different", one.path)
    decide(one.path, [(r, q) for q, r in decided[15:]], "different", other.path)

    found = match(one.path, other.path, threshold=THRESHOLD)

    assert sorted(found.to_numpy().tolist()) == sorted(without(every, decided, one, other))
    assert found.hidden["different"] == len(every) - len(found.to_numpy())
    # Of two decisions on a pair the newer one counts.
    decide(other.path, decided, "same", one.path)
    again = match(one.path, other.path, threshold=THRESHOLD)
    assert sorted(again.to_numpy().tolist()) == sorted(every)


@pytest.mark.parametrize("options", [{"best_only": True}, {"mutual": True}, {"one_to_one": True}])
def test_selections_choose_among_the_pairs_that_are_left(
    one: Set, other: Set, options: dict[str, bool]
) -> None:
    before = match(one.path, other.path, threshold=THRESHOLD, **options).to_numpy().tolist()
    decidable = [(q, r) for q, r, _ in before if one.hash_of(q) != other.hash_of(r)]
    decide(other.path, decidable[:20], "different", one.path)

    found = match(one.path, other.path, threshold=THRESHOLD, **options).to_numpy().tolist()

    left = without(pairs_of(one, other), decidable[:20], one, other)
    assert set(found) <= set(left)
    if "best_only" in options:
        best = {q: min((-score, r) for query, r, score in left if query == q) for q, _, _ in left}
        assert {(q, r, s) for q, r, s in found} == {(q, r, -s) for q, (s, r) in best.items()}


def test_queries_leave_decided_pairs_out_and_still_find_k(one: Set) -> None:
    query = one.ids[0]
    with Index.open(one.path) as index:
        before = [m.reference_id for m in index.query_ids(query, top_k=30)]
        decided = [(query, r) for r in before[:10] if one.hash_of(r) != one.hash_of(query)]
        decide(one.path, decided, "different")
        hidden = {one.hash_of(r) for _, r in decided}

        best = index.query_ids(query, top_k=10)
        expected = [r for r in before if one.hash_of(r) not in hidden][:10]
        assert [m.reference_id for m in best] == expected
        assert best.hidden["different"] >= len(decided)

        above = index.query_ids(query, threshold=THRESHOLD).to_numpy()
        everything = index.query_ids(query, threshold=THRESHOLD, show_all=True).to_numpy()
        assert sorted(above["reference_id"].tolist()) == sorted(
            r for r in everything["reference_id"].tolist() if one.hash_of(r) not in hidden
        )


def test_matrices_and_vectors_hide_nothing(one: Set, tmp_path: Path) -> None:
    decided = some_pairs(pairs_of(one), one, one, 20, 5)
    decide(one.path, decided, "different")
    with matching.open_pair([one.path]) as (queries, references):
        matching.write_matrix(queries, references, tmp_path / "m.npy")
    assert np.array_equal(np.load(tmp_path / "m.npy"), oracle.matrix(one.vectors, one.vectors))
    with Index.open(one.path) as index:
        found = index.query(one.vectors[:1], threshold=-1.0)
        assert len(found.to_numpy()) == len(one.ids)


LINKAGES = ["medoid", "complete", "components"]


def members(found) -> list[set[str]]:
    return [{ref.id for ref in cluster.members} for cluster in found]


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("seed", range(3))
def test_no_cluster_has_different_pictures_and_same_ones_are_together(
    one: Set, linkage: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    different = some_pairs(pairs_of(one), one, one, 25, seed)
    apart = {frozenset(map(one.hash_of, pair)) for pair in different}
    same = []
    for _ in range(6):
        first, second = random.choice(one.ids, 2, replace=False).tolist()
        if one.hash_of(first) != one.hash_of(second):
            same.append((first, second))
    decide(one.path, different, "different")
    with Index.open(one.path) as index:
        found = members(index.clusters(threshold=THRESHOLD, linkage=linkage))
        for group in found:
            hashes = {one.hash_of(image) for image in group}
            assert not any(pair <= hashes for pair in apart)
        decide(one.path, same, "same")
        found = members(index.clusters(threshold=THRESHOLD, linkage=linkage))
        group_of = {image: number for number, group in enumerate(found) for image in group}
        for group in found:
            hashes = {one.hash_of(image) for image in group}
            assert not any(pair <= hashes for pair in apart)
        contradicted = {
            frozenset((listed.decision.first, listed.decision.second))
            for listed in index.decisions
            if listed.decision.verdict == "same"
        }
        for first, second in same:
            together = group_of.get(first, -1) == group_of.get(second, -2)
            assert together or not _is_consistent(first, second, one, contradicted, apart)
        everything = members(index.clusters(threshold=THRESHOLD, linkage=linkage, show_all=True))
        assert sum(map(len, everything)) >= sum(map(len, found))


def _is_consistent(first, second, one: Set, same, apart) -> bool:
    """Whether no two pictures that a chain of same connects with this pair are different."""
    reached, waiting = set(), [one.hash_of(first), one.hash_of(second)]
    while waiting:
        here = waiting.pop()
        if here not in reached:
            reached.add(here)
            waiting += [h for pair in same if here in pair for h in pair]
    return not any(pair <= reached for pair in apart)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_decisions_about_no_match_change_no_cluster(one: Set, linkage: str) -> None:
    far = [
        (q, r)
        for q, r in zip(one.ids[:20], one.ids[20:40], strict=True)
        if (q, r) not in {p[:2] for p in pairs_of(one)} and one.hash_of(q) != one.hash_of(r)
    ]
    with Index.open(one.path) as index:
        before = members(index.clusters(threshold=0.97, linkage=linkage))
        groups = {image: number for number, group in enumerate(before) for image in group}
        far = [(q, r) for q, r in far if groups.get(q, -1) != groups.get(r, -2)]
        assert len(far) > 5
        decide(one.path, far, "different")
        assert members(index.clusters(threshold=0.97, linkage=linkage)) == before


def test_different_separates_along_a_chain_of_same(tmp_path: Path) -> None:
    five = Set(tmp_path / "five", 5, 9)
    a, b, c, d, _ = five.ids
    decide(five.path, [(a, b), (b, c), (c, d)], "same")
    with Index.open(five.path) as index:
        (group,) = members(index.clusters(threshold=1.0))
        assert {a, b, c, d} <= group
        index.decide(a, d, "different")
        groups = members(index.clusters(threshold=1.0))
        assert not any({a, d} <= group for group in groups)
        # The newest of the decisions that contradict each other in a chain count first.
        assert {b, c, d} <= groups[0] or {b, c, d} <= groups[-1]


def test_what_was_called_the_same_is_given_up_below_the_threshold(tmp_path: Path) -> None:
    two = Set(tmp_path / "two", 2, 11)
    decide(two.path, [(two.ids[0], two.ids[1])], "same")
    with Index.open(two.path) as index:
        (cluster,) = index.clusters(threshold=1.0)
    assert cluster.scores[1] < 1
    assert cluster.keep == (True, False)
