"""A plain function on a batch of pictures as a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from vecsim.errors import ModelError
from vecsim.models.inference import check_pixels
from vecsim.models.registry import is_reserved
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Fingerprint, Float32, UInt8

PREPARATION = Preparation(224, "smooth")


class CallableEmbedder:
    """Makes a model of a function that embeds a batch of pictures.

    `function`: is given uint8 (n, size, size, 3), RGB, and returns numbers (n, dim): an array or
    what `numpy.asarray` takes. `name`, with `version`, identifies the model: an index made with it
    takes no vectors of another name, version, preparation or dimension. `name` must not be the name
    of a model that vecsim knows. `preparation`: how pictures come to the function, by default
    squashed to 224 pixels. `threshold`: the usual threshold, if one is known. `weights_sha256`: the
    hash of the weights, to tell apart files of one name.

    The function is called once, with a black picture, to learn `dim`.

    Raises `ModelError` if the name is missing or reserved, or the function returns something else.

    >>> mean = vecsim.CallableEmbedder(lambda pixels: pixels.mean(axis=(1, 2)), "mean-colour")
    >>> vecsim.embed(["Pictures/1.jpg", "Pictures/2.jpg"], mean).shape
    (2, 3)
    """

    def __init__(
        self,
        function: Callable[[UInt8], npt.ArrayLike],
        name: str,
        *,
        preparation: Preparation = PREPARATION,
        threshold: float | None = None,
        version: str = "",
        weights_sha256: str = "",
    ) -> None:
        if not name or not name.isprintable():
            raise ModelError(f"a model needs a name to be known by, not {name!r}.")
        if is_reserved(name):
            raise ModelError(f"the name {name!r} is that of a model of vecsim: choose another.")
        self._function = function
        self._name = name
        self.preparation = preparation
        self.threshold = threshold
        dim = self._call(np.zeros((1, *preparation.shape), np.uint8)).shape[1]
        model = f"{name}@{version}" if version else name
        self.fingerprint = Fingerprint(model, weights_sha256, preparation.text, dim)

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures: uint8 (n, *preparation.shape) in, float32 (n, dim) out."""
        check_pixels(pixels, self.preparation)
        vectors = self._call(pixels)
        if vectors.shape[1] != self.fingerprint.dim:
            raise ModelError(
                f"the model {self._name!r} returned {vectors.shape[1]} numbers a picture, and "
                f"{self.fingerprint.dim} before."
            )
        return vectors

    def _call(self, pixels: UInt8) -> Float32:
        """Call the function; raises `ModelError` unless it returns one row of numbers a picture."""
        result: Any = self._function(pixels)
        try:
            vectors = np.asarray(result, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"the model {self._name!r} must return an array of numbers, not "
                f"{type(result).__name__}: {error}"
            ) from error
        if vectors.ndim != 2 or len(vectors) != len(pixels) or not vectors.shape[1]:
            raise ModelError(
                f"the model {self._name!r} must return an array of the shape ({len(pixels)}, dim) "
                f"for {len(pixels)} pictures, not {vectors.shape}."
            )
        return vectors


def as_embedder(model: Embedder | Callable[[UInt8], npt.ArrayLike]) -> Embedder:
    """Return `model` if it is an `Embedder`, else a `CallableEmbedder` of it, named as it is.

    Raises `ModelError` if it is neither, or a function without a name (a lambda).
    """
    if all(hasattr(model, member) for member in ("fingerprint", "preparation", "embed")):
        return cast(Embedder, model)
    name = getattr(model, "__name__", type(model).__name__)
    if not callable(model) or isinstance(model, type):
        raise ModelError(f"{model!r} is neither the name of a model nor an Embedder nor a function")
    if name == "<lambda>":
        raise ModelError("a lambda has no name that could identify the model: CallableEmbedder has")
    return CallableEmbedder(model, name)
