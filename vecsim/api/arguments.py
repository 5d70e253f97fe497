"""Converts what callers of the library pass to the records that operations take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt

from vecsim.errors import ImageError, UsageError
from vecsim.models.callable import as_embedder
from vecsim.operations.requests import ModelChoice
from vecsim.protocols import Embedder
from vecsim.records import Failure, UInt8
from vecsim.sources import SourceOptions

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


def list_options(
    options: SourceOptions | None,
    id_column: str | None,
    url: str | Sequence[str] | None,
    columns: Sequence[str] | None,
) -> SourceOptions:
    """Return how a list or table is read, with the columns that a call names itself.

    Raises `UsageError` for a column that is no text.
    """
    names: dict[str, str | tuple[str, ...]] = {}
    if id_column is not None:
        names["id_column"] = _column("id", id_column)
    if url is not None:
        several = [url] if isinstance(url, str) else list(url)
        found = tuple(_column("url", each) for each in several)
        names["url_column"] = found[0] if len(found) == 1 else found
    if columns is not None:
        kept = [columns] if isinstance(columns, str) else list(columns)
        names["columns"] = tuple(_column("columns", each) for each in kept)
    return replace(options or SourceOptions(), **names)  # type: ignore[arg-type]


def _column(argument: str, name: object) -> str:
    if not isinstance(name, str):
        raise UsageError(f"{argument}={name!r}: must be the name of a column.")
    return name


def raise_failure(failure: Failure) -> None:
    """Raise `ImageError` for an image that could not be loaded."""
    name = failure.ref.url or failure.ref.id
    named = failure.message.startswith(name)
    raise ImageError(
        failure.kind,
        failure.message if named else f"{name}: {failure.message}",
        http_status=failure.http_status,
        final_url=failure.final_url,
        attempts=failure.attempts,
    )
