"""Finding images in an index that are similar to given ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import FingerprintError, UsageError
from vecsim.index import Snapshot
from vecsim.operations.index_settings import load_index_model
from vecsim.operations.known_images import ImagesByHash, lookup_vectors
from vecsim.operations.matches import Matches
from vecsim.operations.orienting import check_stored
from vecsim.operations.placeholders import Placeholders, hide_placeholders
from vecsim.operations.query_blocks import QueryBlock, search_blocks
from vecsim.operations.requests import ModelChoice, SearchRequest
from vecsim.orientations import codes_of
from vecsim.pipeline import PipelineOptions
from vecsim.records import Embedded, Failure, ImageRef
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

    def blocks() -> Iterator[QueryBlock]:
        for start in range(0, len(unit), _BLOCK):
            yield QueryBlock(refs[start : start + _BLOCK], unit[start : start + _BLOCK])

    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    return search_blocks(snapshot, blocks, request, left_out)


def query_ids(snapshot: Snapshot, ids: Sequence[str], request: SearchRequest) -> Matches:
    """Find images similar to some of the index's own, which are themselves left out.

    They are compared as they are, or in the orientations of the request, which must be stored.
    Raises `UnknownIdError`, `UsageError`.
    """
    check_stored(snapshot, request.orientations or "none")
    codes = codes_of(request.orientations or "none")
    left_out = hide_placeholders(request.skip_placeholders, snapshot)
    rows = [snapshot.row_of(image_id) for image_id in ids]

    def blocks() -> Iterator[QueryBlock]:
        for row in rows:
            vector = snapshot.vectors_of(np.array([row.key]))
            if left_out.include(row.facts, vector[0]):
                continue
            known = snapshot.readable_thumbnails([row.key]) if request.thumbnails else {}
            found = {code: snapshot.turned_of(np.array([row.key]), code)[1] for code in codes[1:]}
            turned = {code: vectors[0] for code, vectors in found.items() if len(vectors)}
            yield QueryBlock(
                [row.ref], vector, [row.facts], list(known.values()), [row.key], [turned]
            )

    return search_blocks(snapshot, blocks, request, left_out)


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

    def blocks() -> Iterator[QueryBlock]:
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

    return search_blocks(snapshot, blocks, request, left_out, fields=images.fields)


def _embedded_blocks(
    outcomes: Iterable[Embedded | Failure | None], images: QueryImages, left_out: Placeholders
) -> Iterator[QueryBlock]:
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


def _as_block(images: list[Embedded]) -> QueryBlock:
    return QueryBlock(
        [image.ref for image in images],
        np.stack([image.vector for image in images]),
        [image.facts for image in images],
        [image.thumbnail for image in images],
        turned=[image.turned for image in images],
    )
