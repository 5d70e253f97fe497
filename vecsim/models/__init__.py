"""The models: the only part of vecsim that imports TensorFlow, LiteRT and imagehash.

This module imports none of them; they come when a model is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vecsim.models import loading
from vecsim.models.network import can_download
from vecsim.models.registry import AUTO_MODEL, COPIES_FOUND, OFFLINE_MODEL, SPECS, find_spec
from vecsim.models.weights import keras_file, keras_url, model_of_weights
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint

AUTO_SECONDS = 4.0
"""How long `auto` waits for the network before it takes the model that needs none."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `vecsim models`. `weights`: a path, "download" or "built in".

    `speed`: "fast", "medium" or "slow". `copies_found`: the share of edited copies that it finds at
    99.9 % precision (docs: Models), None where that was not measured.
    """

    name: str
    dim: int
    size: int
    weights: str
    threshold: float
    speed: str
    copies_found: float | None
    description: str


def load_embedder(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    expected: Fingerprint | None = None,
) -> Embedder:
    """Load the model called `name`.

    `weights`: a Keras `.h5` file instead of the ImageNet weights. `device`: "cpu" (LiteRT), "gpu"
    (TensorFlow), "auto" (a GPU if TensorFlow sees one) or "keras-cpu" (TensorFlow on a CPU, to
    compare). `threads`: how many cores LiteRT uses, by default all, 16 at most. `expected`: the
    fingerprint that the embedder must have, because an index has it.

    Raises `ModelError` (unknown, or its weights missing or not its own), `FingerprintError` (not
    the model `expected`) or `UsageError` (no such device).
    """
    return loading.load(find_spec(name), weights, device, threads, expected)


def resolve_model(name: str, *, weights: Path | None = None) -> tuple[str, str | None]:
    """Decide what `name` means: (a model's canonical name, one line for the user or None).

    `auto` is the model that `weights` are of; without them `mobilenet` if its weights are in Keras'
    cache or can be downloaded, which is decided within 5 seconds; else the model that needs no
    download. Any other name stands for itself; raises `ModelError` if it is unknown.
    """
    if name != "auto":
        return find_spec(name).name, None
    if weights is not None:
        chosen = model_of_weights(weights)
        return chosen, f"model: {chosen}, as {weights.name} holds its weights"
    spec = find_spec(AUTO_MODEL)
    if os.path.exists(keras_file(spec)) or can_download(keras_url(spec), AUTO_SECONDS):
        return AUTO_MODEL, None
    return OFFLINE_MODEL, (
        f"model: {OFFLINE_MODEL}, because the weights of {AUTO_MODEL} are neither in "
        f"{keras_file(spec).parent} nor to be downloaded from here"
    )


def list_models() -> list[ModelInfo]:
    """All models, for people to choose from."""
    return [
        ModelInfo(
            name=spec.name,
            dim=spec.dim,
            size=spec.preparation.size,
            weights=_weights_place(spec.name),
            threshold=spec.threshold,
            speed=spec.speed,
            copies_found=COPIES_FOUND.get(spec.name),
            description=spec.description,
        )
        for spec in SPECS.values()
    ]


def known_dim(name: str) -> int:
    """The dimension of model `name`'s vectors; raises `ModelError` if it is unknown."""
    return find_spec(name).dim


def default_threshold(name: str) -> float:
    """The score from which model `name`'s pairs usually show the same picture."""
    return find_spec(name).threshold


def _weights_place(name: str) -> str:
    spec = SPECS[name]
    if spec.kind != "mobilenet":
        return "built in"
    path = keras_file(spec)
    return str(path) if os.path.exists(path) else "download"
