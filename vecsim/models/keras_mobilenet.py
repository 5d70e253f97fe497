"""MobileNet as Keras builds it."""

from __future__ import annotations

from typing import Any

from vecsim.errors import ModelError
from vecsim.models.keras_runtime import import_keras
from vecsim.models.registry import Spec


def build_mobilenet(spec: Spec, weights: str | None) -> Any:
    """Build MobileNet without its classifier, averaging over the picture: (n, dim).

    `weights`: a file, "imagenet" (Keras' own loader, cache and download) or None (random).
    Raises `ModelError` if the weights do not fit.
    """
    keras = import_keras()
    size = spec.preparation.size
    try:
        return keras.applications.MobileNet(
            input_shape=(size, size, 3),
            alpha=spec.alpha,
            include_top=False,
            pooling="avg",
            weights=weights,
        )
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"the weights {weights} do not fit {spec.name}: {error}") from error
