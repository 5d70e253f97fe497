"""The questions that the class `Index` answers: queries and clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vecsim.api.arguments import as_ids, list_options, raise_failure
from vecsim.api.images import Images, held, open_images, several_ids
from vecsim.api.pictures import is_vectors
from vecsim.api.progress import ProgressTo, SearchWatch
from vecsim.api.results import Clusters, Matches
from vecsim.engines.engine import WorkOptions
from vecsim.index import Snapshot
from vecsim.operations import querying
from vecsim.operations.index_settings import load_index_model
from vecsim.operations.querying import QueryImages
from vecsim.operations.requests import Grouping, ModelChoice, SearchRequest
from vecsim.protocols import Embedder
from vecsim.records import Failure, Float32, ImageRef
from vecsim.sources import Reading

_WITH_THUMBNAILS = 100
"""Queries up to which thumbnails of them are made, for a notebook to show."""


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
        images: Images | npt.NDArray[np.floating],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        skip_placeholders: int | None = None,
        show_all: bool = False,
        orientations: str | None = None,
        id: str | None = None,
        url: str | Sequence[str] | None = None,
        image: str | None = None,
        ids: object = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> Matches:
        """Find images similar to given ones: score >= `threshold`, or the `top_k` best.

        `images`: one image, several or a table, with `ids` or the columns `id`, `url` and `image`,
        as in `add`, but for lists and folders: a path is that of a picture. Or vectors, a NumPy
        array of floats, (dim,) or (n, dim).
        `skip_placeholders`: leave out, on both sides, pictures that so many images of the index
        share; at least 2. `show_all`: also report images that are missing, and the
        query's own file; by default the result's `hidden` counts them. `orientations`: in which
        orientations each picture is compared: "none" (as it is), "mirror", "turns" (by quarters;
        the default for pictures), "all", or "parts" (and its centre and corners). A pair has the
        score of its best form, which the match names. Vectors are compared as they are. `failed` is
        called with each image that could not be loaded; without it, reading the result raises
        `ImageError`.

        Raises `UsageError`, `ModelError`, `FingerprintError` (wrong dimension), `VectorError`.

        >>> from PIL import Image
        >>> for match in shop.query(Image.open("Pictures/1.jpg"), top_k=2):
        ...     print(match.reference_url, match.score)
        Pictures/1.jpg 1.0
        Pictures/3.jpg 0.9375
        """
        request = SearchRequest(
            threshold,
            top_k,
            skip_placeholders=skip_placeholders,
            show_all=show_all,
            orientations=orientations,
        )
        snapshot = self._snapshot_for(request)
        named = several_ids(ids)
        names = None if named is None else list(named)
        if is_vectors(images):
            own = None if names is None else as_ids(names)
            found = querying.query_vectors(snapshot, images, request, own)
            return Matches(found, None, snapshot, self._searched("vectors"))
        how, several = list_options(None, id, url, None), held(images)

        def refs() -> Iterator[ImageRef]:
            return open_images(several, how, Reading(), image=image, ids=names)[0]

        # What is wrong with the arguments is said now, not when the result is read.
        _, count = open_images(several, how, Reading(), image=image, ids=names)
        self._load_model(snapshot)
        on_failure = failed or raise_failure
        queries = QueryImages(refs, count, (), self._model, self.work, on_failure)
        if count is not None and count <= _WITH_THUMBNAILS:
            request = replace(request, thumbnails=True)
        found = querying.query_images(snapshot, queries, request)
        return Matches(found, None, snapshot, self._searched("images"))

    def _searched(self, what: str) -> str:
        return f"{what} in {self.path}"

    def _load_model(self, snapshot: Snapshot) -> Embedder:
        """Load the model of the index once. Raises `ModelError`."""
        if self._model.embedder is None:
            embedder = load_index_model(self.path, snapshot, self._model, self.work)
            self._model = replace(self._model, embedder=embedder)
        assert self._model.embedder is not None
        return self._model.embedder

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

        >>> list(shop.query_ids("Pictures/1.jpg", top_k=1))
        [<Match 'Pictures/1.jpg' 'Pictures/3.jpg': 0.937500>]
        """
        request = SearchRequest(
            threshold,
            top_k,
            skip_placeholders=skip_placeholders,
            show_all=show_all,
            orientations=orientations,
        )
        wanted, snapshot = as_ids(ids), self._snapshot_for(request)
        request = replace(request, thumbnails=len(wanted) <= _WITH_THUMBNAILS)
        found = querying.query_ids(snapshot, wanted, request)
        return Matches(found, None, snapshot, self._searched("ids"))

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
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Clusters:
        """Find clusters of similar images, the one to `keep` first.

        `linkage`: "medoid" (each image of a cluster matches one of them), "complete" (all match
        each other) or "components" (a chain of matches connects them). `keep`: "largest" (most
        pixels), "oldest" or "first" (id). `prefer`: of equally good images, keep those in these
        folders. `reference`: folders whose images are never given up. `show_all`: also show images
        that are missing and all names of one file, which the result's `hidden` counts otherwise.
        `orientations`: in which images are compared; the index must store them. `progress`,
        `cancel`: as in `match`, when the result is read. Raises `UsageError`.

        >>> for cluster in shop.clusters(threshold=0.9):
        ...     print(cluster)
        <Cluster: keep 'Pictures/3.jpg'; give up 'Pictures/1.jpg'>
        """
        folders = (tuple(map(Path, prefer)), tuple(map(Path, reference)))
        request = SearchRequest(threshold, show_all=show_all, orientations=orientations)
        snapshot = self.snapshot
        watch = SearchWatch(progress, cancel, snapshot.count)
        return Clusters(snapshot, request, Grouping(linkage, keep, *folders), watch)

    def vectors(self, ids: str | int | Iterable[object] | None = None) -> Float32:
        """Return stored vectors: float32 (n, dim), rows of length 1, in the order of `ids`.

        Without `ids`, those of all images, in the order of the index. Raises `UnknownIdError`.

        >>> shop.vectors(["Pictures/2.jpg", "Pictures/1.jpg"]).shape
        (2, 64)
        """
        snapshot = self.snapshot
        if ids is None:
            return snapshot.vectors_of(snapshot.keys())
        wanted = [snapshot.row_of(image_id).key for image_id in as_ids(ids)]
        keys, rows = np.unique(np.array(wanted, np.int64), return_inverse=True)
        return snapshot.vectors_of(keys)[rows.reshape(-1)]
