"""Several queries of a server, searched together: each finds what it would find alone.

A search of one query costs mostly what does not depend on the number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index import Snapshot
from vecsim.index.match_blocks import ReadRows
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import PairFilter
from vecsim.operations.orienting import check_stored
from vecsim.operations.query_blocks import QueryBlock, best_visible
from vecsim.operations.requests import SearchRequest
from vecsim.orientations import NAMES, codes_of
from vecsim.records import Embedded, Float32, ImageFacts, ImageRef


@dataclass(frozen=True, slots=True)
class JointQuery:
    """What is searched for: an image of the index, which is left out, or an embedded picture."""

    image: ImageRow | Embedded
    top_k: int
    orientations: str

    @property
    def group(self) -> tuple[str, bool, int]:
        """Return the same for queries that may be searched together.

        Of about as many results, since all are searched for as many as the one with the most; an
        error that stored orientations are lacking concerns images of the index.
        """
        return self.orientations, isinstance(self.image, ImageRow), self.top_k.bit_length()


@dataclass(frozen=True, slots=True)
class Hit:
    """A result of a query. `orientation`: a name; None if the query is compared as it is only."""

    row: ImageRow
    score: float
    orientation: str | None


def groups_of(queries: Sequence[JointQuery]) -> list[list[int]]:
    """Return the positions of queries that are searched together."""
    groups = defaultdict(list)
    for position, query in enumerate(queries):
        groups[query.group].append(position)
    return list(groups.values())


def best_of_group(
    snapshot: Snapshot, queries: Sequence[JointQuery], read_rows: ReadRows
) -> list[list[Hit]]:
    """Find the best images for each query of one group (see `groups_of`), in their final order.

    Each gets as many as it asks for, exactly those that it gets alone, and that `query_ids` finds.
    Raises `UsageError` if orientations are asked for that are not stored.
    """
    top_k = max(query.top_k for query in queries)
    request = SearchRequest(top_k=top_k, orientations=queries[0].orientations)
    codes = codes_of(request.orientations or "none")
    distinct: dict[int, int] = {}  # the same image may be asked for several times
    places = [distinct.setdefault(_identity(query), len(distinct)) for query in queries]
    images = [queries[places.index(place)].image for place in range(len(distinct))]
    rows = [image for image in images if isinstance(image, ImageRow)]
    if rows:
        check_stored(snapshot, request.orientations or "none")
        block = _block_of_rows(snapshot, rows, codes)
    else:
        block = _block_of_pictures([each for each in images if isinstance(each, Embedded)])
    pair_filter = PairFilter(request, Decisions.of(snapshot), check_queries=False)
    found = best_visible(snapshot, block, codes, pair_filter, top_k, read_rows)
    pairs = found.pairs
    names: list[str | None] = [None] * len(pairs)
    if pairs.orientation is not None:
        names = [NAMES[code] for code in pairs.orientation.tolist()]
    bounds = np.searchsorted(pairs.query, np.arange(len(images) + 1)).tolist()
    keys, scores = pairs.reference.tolist(), pairs.score.tolist()
    hits = [
        Hit(found.references[key], score, name)
        for key, score, name in zip(keys, scores, names, strict=True)
    ]
    return [
        hits[bounds[place] : min(bounds[place + 1], bounds[place] + query.top_k)]
        for place, query in zip(places, queries, strict=True)
    ]


def _identity(query: JointQuery) -> int:
    return query.image.key if isinstance(query.image, ImageRow) else id(query.image)


def _block_of_rows(
    snapshot: Snapshot, rows: Sequence[ImageRow], codes: Sequence[int]
) -> QueryBlock:
    """Return images of the index as queries, with their stored vectors."""
    keys = np.array([row.key for row in rows], np.int64)
    order = np.argsort(keys)
    vectors = np.empty((len(rows), snapshot.fingerprint.dim), np.float32)
    vectors[order] = snapshot.vectors_of(keys[order])
    turned: list[dict[int, Float32]] = [{} for _ in rows]
    for code in codes[1:]:
        found, its_vectors = snapshot.turned_of(keys[order], code)
        for place, vector in zip(order[found].tolist(), its_vectors, strict=True):
            turned[place][code] = vector
    refs, facts = [row.ref for row in rows], [row.facts for row in rows]
    return QueryBlock(refs, vectors, facts, [], keys.tolist(), turned)


def _block_of_pictures(pictures: Sequence[Embedded]) -> QueryBlock:
    refs = [ImageRef(str(number), "") for number in range(len(pictures))]
    vectors = np.stack([picture.vector for picture in pictures])
    facts = [ImageFacts()] * len(pictures)
    return QueryBlock(refs, vectors, facts, turned=[picture.turned for picture in pictures])
