"""The questions that the class `Index` answers: queries and clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vecsim.api.arguments import Reference, as_ids, as_ref, raise_failure
from vecsim.engines.engine import WorkOptions
from vecsim.index import Snapshot
from vecsim.operations import clustering, querying
from vecsim.operations.clustering import Clusters
from vecsim.operations.index_settings import load_index_model
from vecsim.operations.matching import Matches
from vecsim.operations.querying import QueryImages
from vecsim.operations.requests import Grouping, ModelChoice, SearchRequest
from vecsim.records import Failure, ImageRef


class IndexSearches:
    """Searches of an index; `Index` has the index itself."""

    path: Path
    work: WorkOptions
    _model: ModelChoice

    if TYPE_CHECKING:

        @property
        def snapshot(self) -> Snapshot:
            """The newest generation of the index."""

    def query(
        self,
        images: Reference | Iterable[Reference] | npt.NDArray[np.floating],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        skip_placeholders: int | None = None,
        show_all: bool = False,
        orientations: str | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> Matches:
        """Find images similar to given ones: score >= `threshold`, or the `top_k` best.

        `images`: one URL or path or `ImageRef`, several, or vectors, float (dim,) or (n, dim).
        `skip_placeholders`: leave out, on both sides, pictures that so many images of the index
        share; at least 2. `show_all`: also report images that are missing, and the
        query's own file; by default the result's `hidden` counts them. `orientations`: in which
        orientations each picture is compared: "none" (as it is), "mirror", "turns" (by quarters;
        the default for pictures) or "all". A pair has the score of its best one, which the match
        names. Vectors are compared as they are. `failed` is called with each
        image that could not be loaded; without it, reading the result raises `ImageError`.

        Raises `UsageError`, `ModelError`, `FingerprintError` (wrong dimension), `VectorError`.
        """
        request = SearchRequest(
            threshold,
            top_k,
            skip_placeholders=skip_placeholders,
            show_all=show_all,
            orientations=orientations,
        )
        snapshot = self._snapshot_for(request)
        if isinstance(images, np.ndarray):
            return querying.query_vectors(snapshot, images, request)
        several = [images] if isinstance(images, str | Path | ImageRef) else list(images)
        refs = [as_ref(image) for image in several]
        if self._model.embedder is None:
            embedder = load_index_model(self.path, snapshot, self._model, self.work)
            self._model = replace(self._model, embedder=embedder)
        on_failure = failed or raise_failure
        queries = QueryImages(lambda: refs, len(refs), (), self._model, self.work, on_failure)
        return querying.query_images(snapshot, queries, request)

    def query_ids(
        self,
        ids: str | int | Iterable[object],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        skip_placeholders: int | None = None,
        show_all: bool = False,
        orientations: str | None = None,
    ) -> Matches:
        """Find images similar to the index's own `ids`, left out. Raises `UnknownIdError`.

        `orientations`: in which these are compared, by default as they are; the index must store
        them.
        """
        request = SearchRequest(
            threshold,
            top_k,
            skip_placeholders=skip_placeholders,
            show_all=show_all,
            orientations=orientations,
        )
        return querying.query_ids(self._snapshot_for(request), as_ids(ids), request)

    def _snapshot_for(self, request: SearchRequest) -> Snapshot:
        """Return the snapshot to search; a separate one if the search hides images in it."""
        return self.snapshot if request.skip_placeholders is None else Snapshot(self.path)

    def clusters(
        self,
        *,
        threshold: float | None = None,
        keep: str = "largest",
        linkage: str = "medoid",
        prefer: Iterable[str | Path] = (),
        reference: Iterable[str | Path] = (),
        show_all: bool = False,
        orientations: str | None = None,
    ) -> Clusters:
        """Find clusters of similar images, the one to `keep` first.

        `linkage`: "medoid" (each image of a cluster matches one of them), "complete" (all match
        each other) or "components" (a chain of matches connects them). `keep`: "largest" (most
        pixels), "oldest" or "first" (id). `prefer`: of equally good images, keep those in these
        folders. `reference`: folders whose images are never given up. `show_all`: also show images
        that are missing and all names of one file, which the result's `hidden` counts otherwise.
        `orientations`: in which images are compared; the index must store them.
        Raises `UsageError`.
        """
        folders = (tuple(map(Path, prefer)), tuple(map(Path, reference)))
        request = SearchRequest(threshold, show_all=show_all, orientations=orientations)
        return clustering.clusters(self.snapshot, request, Grouping(linkage, keep, *folders))
