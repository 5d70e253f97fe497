"""Selections among the pairs of a match: best of each query, mutual best, one to one, unmatched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from vecsim.index import Snapshot
from vecsim.index.image_rows import distinct_keys
from vecsim.index.match_blocks import MatchBlock, first_per_query, sorted_with_rows
from vecsim.operations.requests import SearchRequest
from vecsim.records import ImageRef, Int64
from vecsim.results import Pairs

_PAIRS_PER_BLOCK = 4_096


def select_pairs(
    blocks: Iterable[MatchBlock], request: SearchRequest, queries: Snapshot, references: Snapshot
) -> Iterator[MatchBlock]:
    """Yield the pairs among `blocks` that `request` asks for, in the same order.

    Mutual and one-to-one pairs are decided among all pairs, so `blocks` must hold all of them
    whatever `request.since` is; it is applied here. They are yielded at the end, and memory grows
    with the number of images (mutual) or of pairs (one to one).
    """
    if not request.mutual and not request.one_to_one:
        for block in blocks:
            if request.best_only:
                block = MatchBlock(first_per_query(block.pairs), block.queries, block.references)
            yield block
        return
    choose = mutual_pairs if request.mutual else one_to_one_pairs
    pairs = choose(blocks, itself=queries is references)
    if request.since is not None:
        is_new = np.isin(pairs.query, queries.keys_since(request.since))
        is_new |= np.isin(pairs.reference, references.keys_since(request.since))
        pairs = pairs.take(is_new)
    pairs = pairs.take(np.argsort(pairs.query, kind="stable"))
    for start in range(0, len(pairs), _PAIRS_PER_BLOCK):
        part = pairs.take(np.arange(start, min(start + _PAIRS_PER_BLOCK, len(pairs))))
        yield sorted_with_rows(part, queries, references)


def mutual_pairs(blocks: Iterable[MatchBlock], *, itself: bool) -> Pairs:
    """Return the pairs of which each image is the other's best match; of equal scores, by id.

    `itself`: queries and references are the same images.
    """
    kept = _RankedPairs(itself)
    for block in blocks:
        ranked = _RankedPairs(itself)
        ranked.add(block)
        # The best match of an image is the best one of some block.
        best = _times_best(ranked) > 0
        kept.add(MatchBlock(block.pairs.take(best), block.queries, block.references))
    return kept.pairs.take(_times_best(kept) == 2)


def one_to_one_pairs(blocks: Iterable[MatchBlock], *, itself: bool) -> Pairs:
    """Return pairs in which each image occurs at most once: the best pair first, then the next.

    Pairs are taken by falling score; of equal scores, by query id, then by reference id as text. No
    two images are left that would both get a better match with each other.
    """
    found = _RankedPairs(itself)
    for block in blocks:
        found.add(block)
    pairs = found.pairs
    ranks = found.ranks()
    if itself:  # which of two images is the query means nothing
        ranks = (np.minimum(*ranks), np.maximum(*ranks))
    order = np.lexsort((ranks[1], ranks[0], -pairs.score))
    taken_queries: set[int] = set()
    taken_references = taken_queries if itself else set()
    chosen = []
    sides = (pairs.query[order].tolist(), pairs.reference[order].tolist())
    for row, query, reference in zip(order.tolist(), *sides, strict=True):
        if query not in taken_queries and reference not in taken_references:
            taken_queries.add(query)
            taken_references.add(reference)
            chosen.append(row)
    return pairs.take(np.array(chosen, np.int64))


class _RankedPairs:
    """Collects pairs by key, and the ids of their images; `itself`: of one set."""

    def __init__(self, itself: bool) -> None:
        self.itself = itself
        self._parts: list[Pairs] = []
        ids: dict[int, str] = {}
        self._ids: tuple[dict[int, str], dict[int, str]] = (ids, ids if itself else {})

    def add(self, block: MatchBlock) -> None:
        """Add the pairs of a block."""
        self._parts.append(block.pairs)
        sides = zip(self._ids, (block.pairs.query, block.pairs.reference), strict=True)
        for (ids, keys), rows in zip(sides, (block.queries, block.references), strict=True):
            distinct, _ = distinct_keys(keys)
            ids.update(zip(distinct.tolist(), rows.ids(distinct).tolist(), strict=True))

    @property
    def pairs(self) -> Pairs:
        """All pairs, in the order in which they were added."""
        self._parts = [Pairs.concatenate(self._parts)]
        return self._parts[0]

    def ranks(self) -> tuple[Int64, Int64]:
        """Return numbers that sort like the ids do as text: of queries (n,), of references (n,)."""
        pairs = self.pairs
        return (_ranks(pairs.query, self._ids[0]), _ranks(pairs.reference, self._ids[1]))


def _ranks(keys: Int64, ids: dict[int, str]) -> Int64:
    rank_of = {key: rank for rank, key in enumerate(sorted(ids, key=ids.__getitem__))}
    return np.array([rank_of[key] for key in keys.tolist()], np.int64)


def _times_best(ranked: _RankedPairs) -> Int64:
    """Return of how many of its two images each pair is the best match: int64 (n,), 0 to 2."""
    pairs = ranked.pairs
    queries, references = ranked.ranks()
    # Images of two sets are kept apart by the sign of their keys, which are positive.
    images = np.concatenate([pairs.query, pairs.reference if ranked.itself else -pairs.reference])
    partners = np.concatenate([references, queries])
    scores = np.concatenate([pairs.score, pairs.score])
    order = np.lexsort((partners, -scores, images))
    is_first = np.ones(len(order), bool)
    is_first[1:] = np.diff(images[order]) != 0
    times: Int64 = np.bincount(order[is_first] % max(1, len(pairs)), minlength=len(pairs))
    return times


class MatchedImages:
    """Notes which images of a set are in the pairs of a match, and lists the others."""

    def __init__(self, queries: Snapshot, *, itself: bool) -> None:
        """`itself`: the set was matched with itself, so that its images are on both sides."""
        self._queries = queries
        self._itself = itself
        self._keys = queries.keys()
        self._matched = np.zeros(len(self._keys), bool)

    def watch(self, blocks: Iterable[MatchBlock]) -> Iterator[MatchBlock]:
        """Yield `blocks` as they are, and note their images."""
        for block in blocks:
            self._note(block.pairs.query)
            if self._itself:
                self._note(block.pairs.reference)
            yield block

    def _note(self, keys: Int64) -> None:
        self._matched[np.searchsorted(self._keys, keys)] = True

    def unmatched(self) -> Iterator[ImageRef]:
        """Yield the images that were in no pair, in their order."""
        rest = self._keys[~self._matched]
        for start in range(0, len(rest), _PAIRS_PER_BLOCK):
            part = rest[start : start + _PAIRS_PER_BLOCK].tolist()
            rows = self._queries.rows(part)
            yield from (rows[key].ref for key in part)

    @property
    def count(self) -> int:
        """How many images were in no pair."""
        return int((~self._matched).sum())
