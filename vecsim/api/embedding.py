"""Just the vectors: `embed`, and `ImageEmbedder` for streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from vecsim.api.arguments import Model, model_choice, raise_failure
from vecsim.api.images import Images, open_images
from vecsim.api.progress import ProgressTo, watching
from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import StoppedError
from vecsim.operations.building import load_chosen_model
from vecsim.records import AddReport, Embedded, Failure, Fingerprint, Float32
from vecsim.sources import Reading, SourceOptions

if TYPE_CHECKING:
    from vecsim.pipeline import Pipeline

_FEW = 8
"""So few images are decoded in this process: starting another would take longer."""


class ImageEmbedder:
    """A model with its decoders, for streams of images of any length. Close it, or use `with`.

    >>> with vecsim.ImageEmbedder("phash") as embedder:
    ...     for image in embedder.stream(["Pictures/1.jpg", "Pictures/2.jpg"]):
    ...         print(image.ref.id, image.vector.shape)
    Pictures/1.jpg (64,)
    Pictures/2.jpg (64,)
    """

    def __init__(
        self,
        model: Model = "auto",
        *,
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
    ) -> None:
        """Load the model, as `Index.create` does. Raises `ModelError`."""
        self.work = work or WorkOptions()
        self._embedder = load_chosen_model(model_choice(model, weights), self.work)
        self._opened = ExitStack()
        self._pipelines: dict[bool, Pipeline] = {}

    @property
    def fingerprint(self) -> Fingerprint:
        """What identifies the model."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """How many dimensions the vectors have."""
        return self.fingerprint.dim

    def stream(
        self,
        images: Images,
        *,
        ids: object = None,
        fields: Iterable[Mapping[str, str]] | None = None,
        cancel: Event | None = None,
    ) -> Iterator[Embedded | Failure]:
        """Yield one `Embedded` or `Failure` for each image, in order; memory stays bounded.

        `images`, `ids`, `fields`: as in `Index.add`, but a path is that of a picture. `vector` is
        float32 (dim,) of length 1. One stream at a time. Once `cancel` is set, the stream ends.

        >>> with vecsim.ImageEmbedder("phash") as embedder:
        ...     found = list(embedder.stream(["Pictures/1.jpg", "Pictures/none.jpg"]))
        >>> found
        [<Embedded 'Pictures/1.jpg': float32 (64,)>, <Failure 'Pictures/none.jpg': no-file: ...>]
        """
        refs, count = open_images(images, SourceOptions(), Reading(), ids=ids, fields=fields)
        for outcome in self._pipeline(count).run(refs, cancel):
            if outcome is not None:
                yield outcome

    def embed(
        self,
        images: Images,
        *,
        failed: Callable[[Failure], None] | None = None,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Float32:
        """Return the vectors of all images: float32 (n, dim), rows of length 1, in their order.

        `failed` is called with each image that could not be loaded, whose row is NaN; without it,
        `ImageError` is raised. `progress`, `cancel`: as in `Index.add`; Raises `StoppedError` when
        it was cancelled.

        >>> with vecsim.ImageEmbedder("phash") as embedder:
        ...     print(embedder.embed(["Pictures/1.jpg", "Pictures/2.jpg"]).shape)
        (2, 64)
        """
        refs, count = open_images(images, SourceOptions(), Reading())
        rows: list[Float32] = []
        nothing = np.full(self.dim, np.nan, np.float32)
        report = AddReport()
        with watching(progress, count) as watch:
            for outcome in self._pipeline(count).run(refs, cancel):
                if isinstance(outcome, Failure):
                    (failed or raise_failure)(outcome)
                    rows.append(nothing)
                    report.failed += 1
                elif outcome is not None:
                    rows.append(outcome.vector)
                    report.added += 1
                watch(report)
        if cancel is not None and cancel.is_set():
            raise StoppedError("The embedding was cancelled.")
        return np.stack(rows) if rows else np.empty((0, self.dim), np.float32)

    def close(self) -> None:
        """End the decoder processes.

        >>> vecsim.ImageEmbedder("phash").close()
        """
        self._pipelines.clear()
        self._opened.close()

    def __enter__(self) -> ImageEmbedder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ImageEmbedder: {self.fingerprint}>"

    def _pipeline(self, count: int | None) -> Pipeline:
        """Return the pipeline for so many images: a few are decoded in this process."""
        few = count is not None and count <= _FEW
        if few not in self._pipelines:
            opened = local_pipeline(self._embedder, self.work, decode_in_process=few)
            self._pipelines[few] = self._opened.enter_context(opened)
        return self._pipelines[few]


def embed(
    images: Images,
    model: Model = "auto",
    *,
    weights: str | Path | None = None,
    work: WorkOptions | None = None,
    failed: Callable[[Failure], None] | None = None,
    progress: ProgressTo = None,
    cancel: Event | None = None,
) -> Float32:
    """Return the vectors of images: float32 (n, dim), rows of length 1, in their order.

    They are those that an index of `model` would store. `images`: as in `Index.add`, but a path is
    that of a picture. `failed`, `progress`, `cancel`: see `ImageEmbedder.embed`.

    >>> vecsim.embed(["Pictures/1.jpg", "Pictures/2.jpg"], model="phash").shape
    (2, 64)
    """
    with ImageEmbedder(model, weights=weights, work=work) as embedder:
        return embedder.embed(images, failed=failed, progress=progress, cancel=cancel)
