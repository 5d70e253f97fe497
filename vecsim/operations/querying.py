"""Asking an index for images like given ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.engines.local import local_pipeline
from vecsim.engines.options import WorkOptions
from vecsim.errors import FingerprintError, UsageError
from vecsim.index import ImagesByHash, Snapshot
from vecsim.index.join import MatchBlock, first_per_query, sorted_with_rows
from vecsim.operations.lookup import as_lookup
from vecsim.operations.matches import Matches
from vecsim.operations.own_model import open_embedder
from vecsim.operations.thresholds import check_question, threshold_of
from vecsim.pipeline import PipelineOptions
from vecsim.protocols import Embedder
from vecsim.records import Embedded, Failure, Float32, ImageFacts, ImageRef
from vecsim.search.score import normalise

# Queries searched together: enough to keep both cores busy, few enough to answer soon.
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """Some queries: their references and unit vectors (n, dim), and what else is known of them."""

    refs: Sequence[ImageRef]
    vectors: Float32
    facts: Sequence[ImageFacts] = ()
    thumbnails: Sequence[bytes] = ()


def query_vectors(
    snapshot: Snapshot,
    vectors: object,
    ids: Sequence[str] | None = None,
    *,
    threshold: float | None = None,
    top_k: int | None = None,
) -> Matches:
    """Images like given vectors: float (n, dim) or (dim,), any norm but 0.

    The queries are called by `ids`, or by their row numbers. Raises `VectorError`,
    `FingerprintError` (wrong dimension), `UsageError`.
    """
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

    def asked() -> Iterator[Asked]:
        for start in range(0, len(unit), _BLOCK):
            yield Asked(refs[start : start + _BLOCK], unit[start : start + _BLOCK])

    return _matches(snapshot, asked, threshold, top_k)


def query_ids(
    snapshot: Snapshot,
    ids: Sequence[str],
    *,
    threshold: float | None = None,
    top_k: int | None = None,
    hidden: frozenset[str] = frozenset(),
    thumbnails: bool = False,
) -> Matches:
    """Images like some of the index's own, these themselves left out. Raises `UnknownIdError`.

    `hidden`: hashes of bytes that nothing is asked for. `thumbnails`: the blocks of the result
    bring those of the queries.
    """
    rows = [snapshot.row_of(image_id) for image_id in ids]
    rows = [row for row in rows if row.facts.sha256 not in hidden]

    def asked() -> Iterator[Asked]:
        for row in rows:
            found = list(snapshot.thumbnails([row.key]).values()) if thumbnails else []
            vector = snapshot.vectors_of(np.array([row.key]))
            yield Asked([row.ref], vector, [row.facts], found)

    return _matches(snapshot, asked, threshold, top_k, own={row.ref.id: row.key for row in rows})


def query_images(
    snapshot: Snapshot,
    refs: Callable[[], Iterable[ImageRef]],
    *,
    threshold: float | None = None,
    top_k: int | None = None,
    weights: Path | None = None,
    work: WorkOptions | None = None,
    embedder: Embedder | None = None,
    fields: Sequence[str] = (),
    few: bool = False,
    hidden: frozenset[str] = frozenset(),
    thumbnails: bool = False,
    failed: Callable[[Failure], None] = lambda failure: None,
) -> Matches:
    """Images like those that `refs` names; it is called for each iteration over the result.

    `fields`: names of the references' fields. `few`: there are only a handful of them. `hidden`:
    hashes of bytes that nothing is asked for. `thumbnails`: the blocks of the result bring those of
    the queries. One that cannot be had is handed to `failed`.
    """
    model = embedder or open_embedder(snapshot.folder.path, snapshot, weights, work)
    options = work or WorkOptions()

    def asked() -> Iterator[Asked]:
        known = ImagesByHash(snapshot.folder, lambda: snapshot.segments)
        try:
            with local_pipeline(
                model,
                options,
                PipelineOptions(find_embedding=as_lookup(known)),
                decode_in_process=few,
                thumbnails=thumbnails,
            ) as pipeline:
                block: list[Embedded] = []
                for outcome in pipeline.run(refs()):
                    if isinstance(outcome, Failure):
                        failed(outcome)
                    elif outcome is not None and outcome.facts.sha256 not in hidden:
                        block.append(outcome)
                    if block and (outcome is None or len(block) == _BLOCK):
                        yield _asked(block)
                        block = []
                if block:
                    yield _asked(block)
        finally:
            known.close()

    return _matches(snapshot, asked, threshold, top_k, fields=fields)


def _asked(block: list[Embedded]) -> Asked:
    return Asked(
        [image.ref for image in block],
        np.stack([image.vector for image in block]),
        [image.facts for image in block],
        [image.thumbnail for image in block],
    )


def _matches(
    snapshot: Snapshot,
    asked: Callable[[], Iterator[Asked]],
    threshold: float | None,
    top_k: int | None,
    own: dict[str, int] | None = None,
    fields: Sequence[str] = (),
) -> Matches:
    """Answer blocks of queries, one after the other."""
    check_question(threshold, top_k)
    limit = threshold_of(snapshot, threshold) if top_k is None else 0.0

    def blocks() -> Iterator[MatchBlock]:
        for some in asked():
            own_keys = np.array([(own or {}).get(ref.id, 0) for ref in some.refs], np.int64)
            if top_k is None:
                pairs = snapshot.range_search(some.vectors, limit)
            else:
                # One more than asked for, where the image itself will be left out.
                pairs = snapshot.top_k(some.vectors, top_k + (1 if own else 0))
            pairs = pairs.take(pairs.reference != own_keys[pairs.query])
            joined = sorted_with_rows(pairs, None, snapshot)
            pairs = joined.pairs if top_k is None else first_per_query(joined.pairs, top_k)
            thumbnails = {key: webp for key, webp in enumerate(some.thumbnails) if webp}
            yield MatchBlock(pairs, _as_rows(some), joined.references, thumbnails)

    return Matches(blocks, list(fields), snapshot.field_names)


def _as_rows(some: Asked) -> dict[int, ImageRow]:
    """Queries have no row in the index; their position stands for the key."""
    facts = some.facts or [ImageFacts()] * len(some.refs)
    rows = enumerate(zip(some.refs, facts, strict=True))
    return {key: ImageRow(key, ref, its, "") for key, (ref, its) in rows}
