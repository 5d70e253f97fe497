"""Blocks of queries, and the search for the images of an index that are similar to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.image_rows import KnownRows
from vecsim.index.match_blocks import MatchBlock, ReadRows, first_per_query, sorted_with_rows
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import PairFilter
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.matches import Matches
from vecsim.operations.placeholders import Placeholders
from vecsim.operations.requests import SearchRequest
from vecsim.orientations import codes_of
from vecsim.records import Float32, ImageFacts, ImageRef
from vecsim.results import Pairs
from vecsim.search.blocks import Queries
from vecsim.search.orientations import OrientedQueries, best_k, best_orientations


@dataclass(frozen=True, slots=True)
class QueryBlock:
    """Some queries: references (n), unit vectors (n, dim), and facts and thumbnails where known.

    `own_keys`: int64 (n,), the keys of queries that are images of the index itself. `turned`: the
    vectors of each query in its other orientations, by code.
    """

    refs: Sequence[ImageRef]
    vectors: Float32
    facts: Sequence[ImageFacts] = ()
    thumbnails: Sequence[bytes] = ()
    own_keys: Sequence[int] = ()
    turned: Sequence[Mapping[int, Float32]] = ()

    def oriented(self, codes: Sequence[int]) -> OrientedQueries:
        """Return the queries in the orientations `codes`, as far as they have them."""
        others = {}
        for code in codes[1:]:
            rows = [row for row, turned in enumerate(self.turned) if code in turned]
            if rows:
                vectors = np.stack([self.turned[row][code] for row in rows])
                others[code] = (np.array(rows, np.int64), vectors)
        return OrientedQueries.of(self.vectors, others)

    def rows(self) -> dict[int, ImageRow]:
        """Return the queries as rows of a catalog; the position of each stands for its key."""
        facts = self.facts or [ImageFacts()] * len(self.refs)
        rows = enumerate(zip(self.refs, facts, strict=True))
        return {position: ImageRow(position, ref, its, "") for position, (ref, its) in rows}


def search_blocks(
    snapshot: Snapshot,
    query_blocks: Callable[[], Iterator[QueryBlock]],
    request: SearchRequest,
    left_out: Placeholders,
    fields: Sequence[str] = (),
) -> Matches:
    """Answer blocks of queries, one after the other."""
    top_k = request.top_k
    threshold = (
        threshold_of(snapshot, request.threshold, request.orientations) if top_k is None else 0.0
    )
    codes = codes_of(request.orientations or "none")
    # A picture that is asked for by name is answered, even if it is missing or in the index itself:
    # "is this file in the index" is a question too.
    pair_filter = PairFilter(request, Decisions.of(snapshot), check_queries=False)

    def blocks() -> Iterator[MatchBlock]:
        pair_filter.hidden.clear()
        for block in query_blocks():
            if top_k is None:
                pairs = _at_threshold(snapshot, block, codes, threshold)
                yield pair_filter.visible(_joined(snapshot, block, pairs))
            else:
                yield best_visible(snapshot, block, codes, pair_filter, top_k)

    names = (list(fields), snapshot.field_names)
    return Matches(blocks, *names, left_out, pair_filter.hidden, oriented=len(codes) > 1)


def _at_threshold(
    snapshot: Snapshot, block: QueryBlock, codes: Sequence[int], threshold: float
) -> Pairs:
    """Find the references of each query in the orientations `codes`, at or above `threshold`."""
    if len(codes) == 1:
        return snapshot.range_search(_with_codes(snapshot, block), threshold)
    queries = block.oriented(codes)
    found = snapshot.range_search(queries.vectors, threshold)
    return best_orientations(queries.named(found))


def _best(snapshot: Snapshot, block: QueryBlock, codes: Sequence[int], k: int) -> Pairs:
    """Find the `k` best references of each query in the orientations `codes`, ties included."""
    if len(codes) == 1:
        return snapshot.top_k(_with_codes(snapshot, block), k)
    queries = block.oriented(codes)
    found = snapshot.top_k(queries.vectors, k)
    return best_k(queries.named(found), k, len(block.refs))


def _with_codes(snapshot: Snapshot, block: QueryBlock) -> Queries:
    """Return the queries with their stored codes, if they are images of the snapshot itself."""
    own = np.array(block.own_keys, np.int64)
    return Queries(block.vectors, snapshot.sketch_of(own) if len(own) else None)


def _joined(
    snapshot: Snapshot, block: QueryBlock, pairs: Pairs, read_rows: ReadRows | None = None
) -> MatchBlock:
    """Put the pairs of a block in their order, without those of an image with itself."""
    own_keys = np.array(block.own_keys or [0] * len(block.refs), np.int64)
    pairs = pairs.take(pairs.reference != own_keys[pairs.query])
    joined = sorted_with_rows(pairs, None, snapshot, read_rows)
    thumbnails = {position: webp for position, webp in enumerate(block.thumbnails) if webp}
    return MatchBlock(joined.pairs, KnownRows(block.rows()), joined.references, thumbnails)


def best_visible(
    snapshot: Snapshot,
    block: QueryBlock,
    codes: Sequence[int],
    pair_filter: PairFilter,
    top_k: int,
    read_rows: ReadRows | None = None,
) -> MatchBlock:
    """Find the `top_k` best visible references of each query.

    Searched again for twice as many where too many of the best ones are hidden. `read_rows`: reads
    rows of the snapshot by key, perhaps from memory.
    """
    # One more than asked for, where the image itself will be left out.
    wanted = top_k + bool(block.own_keys)
    before = pair_filter.hidden.copy()
    while True:
        found = _joined(snapshot, block, _best(snapshot, block, codes, wanted), read_rows)
        visible = pair_filter.visible(found)
        counts = np.bincount(visible.pairs.query, minlength=len(block.refs))
        if counts.min() >= top_k or wanted >= snapshot.count:
            break
        pair_filter.hidden.clear()
        pair_filter.hidden.update(before)
        wanted *= 2
    return replace(visible, pairs=first_per_query(visible.pairs, top_k))
