"""The function `match` of the library."""

from __future__ import annotations

from pathlib import Path

from vecsim.api.index import Index
from vecsim.engines.engine import EngineOptions
from vecsim.index import Snapshot
from vecsim.operations import matching
from vecsim.operations.matching import Matches
from vecsim.operations.requests import SearchRequest


def match(
    a: Index | str | Path,
    b: Index | str | Path | None = None,
    *,
    threshold: float | None = None,
    best_only: bool = False,
    mutual: bool = False,
    one_to_one: bool = False,
    since: str | None = None,
    skip_placeholders: int | None = None,
    show_all: bool = False,
    engine: EngineOptions | None = None,
) -> Matches:
    """Find every pair of an image of `a` and one of `b` with score >= `threshold`, exactly.

    `a`, `b`: indexes or their paths. Without `b`, `a` is matched with itself: each pair once.
    `threshold`: from -1 to 1; by default b's own, or its model's.
    `best_only`: only the best match of each image of `a`.
    `mutual`: only pairs of which each image is the other's best match; equal scores: the first id.
    `one_to_one`: each image in one pair at most: the pair with the highest score, then the best
    pair of the images that are left, and so on; equal scores: in the order of the ids.
    `since` (UTC, ISO 8601): only pairs with an image added then or later.
    `skip_placeholders`: leave out pictures that so many images of `a`, or of `b`, share byte for
    byte; at least 2.
    `show_all`: also report pairs with an image that is missing and pairs that are one file; by
    default the result's `hidden` counts them.
    `engine`: where the search runs, by default on this machine.

    Raises `UsageError`, `FingerprintError` (two models), `IndexMissingError`, `IndexDamagedError`.
    """
    request = SearchRequest(
        threshold,
        best_only=best_only,
        mutual=mutual,
        one_to_one=one_to_one,
        since=since,
        skip_placeholders=skip_placeholders,
        show_all=show_all,
    )
    # Hiding placeholders changes a snapshot, so it must not be the one that an `Index` uses.
    private = skip_placeholders is not None
    queries = _snapshot_of(a, private=private)
    references = queries if b is None else _snapshot_of(b, private=private)
    if b is not None and references is queries:
        # The same index named twice is two sets: every pair both ways, each image with itself.
        references = Snapshot(queries.folder.path)
    return matching.match(queries, references, request, engine=engine)


def _snapshot_of(index: Index | str | Path, *, private: bool) -> Snapshot:
    if isinstance(index, Index):
        return Snapshot(index.path) if private else index.snapshot
    return Snapshot(Path(index))
