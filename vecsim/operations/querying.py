"""Finding images in an index that are similar to given ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import FingerprintError, UsageError
from vecsim.index import Snapshot
from vecsim.index.image_rows import KnownRows
from vecsim.index.match_blocks import MatchBlock, first_per_query, sorted_with_rows
from vecsim.operations.decisions import Decisions
from vecsim.operations.hiding import PairFilter
from vecsim.operations.index_settings import load_index_model, threshold_of
from vecsim.operations.known_images import ImagesByHash, lookup_vectors
from vecsim.operations.matching import Matches
from vecsim.operations.orienting import check_stored
from vecsim.operations.placeholders import Placeholders, hide_placeholders
from vecsim.operations.requests import ModelChoice, SearchRequest
from vecsim.orientations import codes_of
from vecsim.pipeline import PipelineOptions
from vecsim.records import Embedded, Failure, Float32, ImageFacts, ImageRef
from vecsim.results import Pairs
from vecsim.search.orientations import OrientedQueries, best_k, best_orientations
from vecsim.search.score import normalise

# Queries searched together: enough to keep all cores busy, few enough to answer soon.
_BLOCK = 256

# So few images are decoded in this process: starting another would take longer.
_FEW = 8


@dataclass(frozen=True, slots=True)
class QueryImages:
    """Images to search for, and how they are embedded.

    `refs` is called for each iteration over the result. `count`: how many there are, None where
    that is not known. `fields`: names of the references' carried fields. `on_failure` is called
    with each image that could not be loaded.
    """

    refs: Callable[[], Iterable[ImageRef]]
    count: int | None = None
    fields: Sequence[str] = ()
    model: ModelChoice = field(default_factory=ModelChoice)
    work: WorkOptions = field(default_factory=WorkOptions)
    on_failure: Callable[[Failure], None] = lambda failure: None


@dataclass(frozen=True, slots=True)
class _QueryBlock:
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


def query_vectors(
    snapshot: Snapshot,
    vectors: object,
    request: SearchRequest,
    ids: Sequence[str] | None = None,
) -> Matches:
    """Find images similar to given vectors: float (n, dim) or (dim,), of any norm but 0.

    The queries are called by `ids`, or by their row numbers. Raises `VectorError`,
    `FingerprintError` (wrong dimension), `UsageError`.
    """
    if codes_of(request.orientations or "none") != codes_of("none"):
        raise UsageError("Vectors cannot be turned: query by pictures, or by vectors as they are.")
    array = np.atleast_2d(np.asarray(vectors))
    if array.ndim == 2 and array.shape[1] != snapshot.fingerprint.dim:
        raise FingerprintError(
            f"{snapshot.folder.path}: holds vectors of {snapshot.fingerprint.dim} dimensions, "
            f"the queries have {array.shape[1]}."
        )
    unit = normalise(array)
    names = [str(row) for row in range(len(unit))] if ids is None else list(ids)
    if len(names) != len(unit):
        raise UsageError(f"{len(unit)} vectors were given, but {len(names)} ids.")
    refs = [ImageRef(name, "") for name in names]

    def blocks() -> Iterator[_QueryBlock]:
        for start in range(0, len(unit), _BLOCK):
            yield _QueryBlock(refs[start : start + _BLOCK], unit[start : start + _BLOCK])

    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    return _search(snapshot, blocks, request, left_out)


def query_embedded(snapshot: Snapshot, image: Embedded, request: SearchRequest) -> Matches:
    """Find images similar to a picture that was embedded before, in all orientations of `request`.

    Raises `UsageError`.
    """
    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    block = _QueryBlock([ImageRef("0", "")], image.vector[None], turned=[image.turned])
    return _search(snapshot, lambda: iter([block]), request, left_out)


def query_ids(snapshot: Snapshot, ids: Sequence[str], request: SearchRequest) -> Matches:
    """Find images similar to some of the index's own, which are themselves left out.

    They are compared as they are, or in the orientations of the request, which must be stored.
    Raises `UnknownIdError`, `UsageError`.
    """
    check_stored(snapshot, request.orientations or "none")
    codes = codes_of(request.orientations or "none")
    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    rows = [snapshot.row_of(image_id) for image_id in ids]

    def blocks() -> Iterator[_QueryBlock]:
        for row in rows:
            vector = snapshot.vectors_of(np.array([row.key]))
            if left_out.include(row.facts, vector[0]):
                continue
            known = snapshot.readable_thumbnails([row.key]) if request.thumbnails else {}
            found = {code: snapshot.turned_of(np.array([row.key]), code)[1] for code in codes[1:]}
            turned = {code: vectors[0] for code, vectors in found.items() if len(vectors)}
            yield _QueryBlock(
                [row.ref], vector, [row.facts], list(known.values()), [row.key], [turned]
            )

    return _search(snapshot, blocks, request, left_out)


def query_images(snapshot: Snapshot, images: QueryImages, request: SearchRequest) -> Matches:
    """Find images similar to those that `images` names.

    Raises `ModelError`, `UsageError`, `FingerprintError` (a model that is not the index's).
    """
    path = snapshot.folder.path
    model = load_index_model(path, snapshot, images.model, images.work)
    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    if request.orientations is None:
        request = replace(request, orientations="turns")
    codes = codes_of(request.orientations or "none")

    def blocks() -> Iterator[_QueryBlock]:
        known = ImagesByHash(snapshot.folder, lambda: snapshot.segments)
        few = images.count is not None and images.count <= _FEW
        try:
            with local_pipeline(
                model,
                images.work,
                PipelineOptions(
                    find_embedding=lookup_vectors(known, orientations=codes), orientations=codes
                ),
                decode_in_process=few,
                thumbnails=request.thumbnails,
            ) as pipeline:
                yield from _embedded_blocks(pipeline.run(images.refs()), images, left_out)
        finally:
            known.close()

    return _search(snapshot, blocks, request, left_out, fields=images.fields)


def _embedded_blocks(
    outcomes: Iterable[Embedded | Failure | None], images: QueryImages, left_out: Placeholders
) -> Iterator[_QueryBlock]:
    """Group embedded queries into blocks; None among `outcomes` ends a block early."""
    block: list[Embedded] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            images.on_failure(outcome)
        elif outcome is not None and not left_out.include(outcome.facts, outcome.vector):
            block.append(outcome)
        if block and (outcome is None or len(block) == _BLOCK):
            yield _as_block(block)
            block = []
    if block:
        yield _as_block(block)


def _as_block(images: list[Embedded]) -> _QueryBlock:
    return _QueryBlock(
        [image.ref for image in images],
        np.stack([image.vector for image in images]),
        [image.facts for image in images],
        [image.thumbnail for image in images],
        turned=[image.turned for image in images],
    )


def _search(
    snapshot: Snapshot,
    query_blocks: Callable[[], Iterator[_QueryBlock]],
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
                yield _best_visible(snapshot, block, codes, pair_filter, top_k)

    names = (list(fields), snapshot.field_names)
    return Matches(blocks, *names, left_out, pair_filter.hidden, oriented=len(codes) > 1)


def _at_threshold(
    snapshot: Snapshot, block: _QueryBlock, codes: Sequence[int], threshold: float
) -> Pairs:
    """Find the references of each query in the orientations `codes`, at or above `threshold`."""
    if len(codes) == 1:
        return snapshot.range_search(block.vectors, threshold)
    queries = block.oriented(codes)
    found = snapshot.range_search(queries.vectors, threshold)
    return best_orientations(queries.named(found))


def _best(snapshot: Snapshot, block: _QueryBlock, codes: Sequence[int], k: int) -> Pairs:
    """Find the `k` best references of each query in the orientations `codes`, ties included."""
    if len(codes) == 1:
        return snapshot.top_k(block.vectors, k)
    queries = block.oriented(codes)
    found = snapshot.top_k(queries.vectors, k)
    return best_k(queries.named(found), k, len(block.refs))


def _joined(snapshot: Snapshot, block: _QueryBlock, pairs: Pairs) -> MatchBlock:
    """Put the pairs of a block in their order, without those of an image with itself."""
    own_keys = np.array(block.own_keys or [0] * len(block.refs), np.int64)
    pairs = pairs.take(pairs.reference != own_keys[pairs.query])
    joined = sorted_with_rows(pairs, None, snapshot)
    thumbnails = {position: webp for position, webp in enumerate(block.thumbnails) if webp}
    return MatchBlock(joined.pairs, KnownRows(block.rows()), joined.references, thumbnails)


def _best_visible(
    snapshot: Snapshot,
    block: _QueryBlock,
    codes: Sequence[int],
    pair_filter: PairFilter,
    top_k: int,
) -> MatchBlock:
    """Find the `top_k` best visible references of each query.

    Searched again for twice as many where too many of the best ones are hidden.
    """
    # One more than asked for, where the image itself will be left out.
    wanted = top_k + bool(block.own_keys)
    before = pair_filter.hidden.copy()
    while True:
        found = _joined(snapshot, block, _best(snapshot, block, codes, wanted))
        visible = pair_filter.visible(found)
        counts = np.bincount(visible.pairs.query, minlength=len(block.refs))
        if counts.min() >= top_k or wanted >= snapshot.count:
            break
        pair_filter.hidden.clear()
        pair_filter.hidden.update(before)
        wanted *= 2
    return replace(visible, pairs=first_per_query(visible.pairs, top_k))
