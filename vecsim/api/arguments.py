"""Converts what callers of the library pass to the records that operations take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy.typing as npt

from vecsim.errors import ImageError, UsageError
from vecsim.models.callable import as_embedder
from vecsim.operations.requests import ModelChoice
from vecsim.protocols import Embedder
from vecsim.records import Failure, ImageRef, UInt8

Reference = str | Path | ImageRef
"""An image: its URL or path, or a reference with an id of its own."""

Model = str | Path | Embedder | Callable[[UInt8], npt.ArrayLike]
"""The name of a model, the path of a model file (settings in `FILE.json` beside it), an `Embedder`,
or a function on a batch of pictures: uint8 (n, 224, 224, 3) to numbers (n, dim). `CallableEmbedder`
makes a model of a function for other sizes.
"""


def model_choice(model: Model, weights: str | Path | None) -> ModelChoice:
    """Convert a model that is given by name, as an object or as a function."""
    file = Path(weights) if weights is not None else None
    if isinstance(model, str | Path):
        return ModelChoice.of(str(model), file)
    if file is not None:
        raise UsageError("weights belong to a model given by name, not to an object.")
    return ModelChoice(embedder=as_embedder(model))


def as_ids(ids: str | int | Iterable[object]) -> list[str]:
    """Convert one id or several to the texts under which they are stored."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        return [str(ids)]
    return [str(image_id) for image_id in ids]


def as_ref(image: Reference) -> ImageRef:
    """Convert a URL or path, which is then its own id. Raises `UsageError` for other types."""
    if isinstance(image, ImageRef):
        return image
    if isinstance(image, str | Path):
        return ImageRef.of_url(str(image))
    raise UsageError(f"{image!r} is neither a URL, a path, an ImageRef nor an array of vectors.")


def raise_failure(failure: Failure) -> None:
    """Raise `ImageError` for an image that could not be loaded."""
    raise ImageError(
        failure.kind,
        f"{failure.ref.url}: {failure.message}",
        http_status=failure.http_status,
        final_url=failure.final_url,
        attempts=failure.attempts,
    )
