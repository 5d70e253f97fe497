"""The models: the only part of vecsim that imports TensorFlow, LiteRT and imagehash.

This module imports none of them; they are imported when a model is loaded. A new family of models
is one more file in `vecsim.models.families`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vecsim.errors import ModelError
from vecsim.models.families import bundled
from vecsim.models.family import LoadOptions
from vecsim.models.file_settings import FORMATS, FileSettings
from vecsim.models.registry import all_models, find_model, find_spec
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint

DEFAULT_MODEL = bundled.SPEC.name
"""What `auto` means for a new index, on every machine: part of the package, needs no download."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `vecsim models`. `weights`: a path, "download" or "built in".

    `speed`: "fast", "medium" or "slow". `copies_found`: the share of edited copies that it finds at
    99.9 % precision (docs: Models), None where that was not measured. `oriented_thresholds`: those
    of settings of orientations that need another one, in words; empty for none.
    """

    name: str
    dim: int
    size: int
    weights: str
    threshold: float
    speed: str
    copies_found: float | None
    description: str
    oriented_thresholds: str


def load_embedder(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    expected: Fingerprint | None = None,
    settings: FileSettings | None = None,
) -> Embedder:
    """Load the model called `name`.

    `weights`: a Keras `.h5` file instead of the ImageNet weights. `device`: "cpu" (LiteRT), "gpu"
    (PyTorch if it sees one, else TensorFlow) or "auto" (a GPU if TensorFlow sees one, else the
    CPU). `threads`: how many cores LiteRT uses, by default all, 16 at most. `expected`: the
    fingerprint that the embedder must have, because an index has it. `settings`: of a model file,
    whose name is its format ("onnx", "tflite", "keras") and whose path is `weights`.

    Raises `ModelError` (unknown, or its weights missing or not its own), `FingerprintError` (not
    the model `expected`) or `UsageError` (no such device).
    """
    if name in FORMATS.values():
        from vecsim.models.model_files import load_model_file

        return load_model_file(name, LoadOptions(weights, device, threads, expected), settings)
    family, spec = find_model(name)
    return family.load(spec, LoadOptions(weights, device, threads, expected))


def resolve_model(name: str, *, weights: Path | None = None) -> tuple[str, str | None]:
    """Decide what `name` means: (a model's canonical name, one line for the user or None).

    `auto` is the model that `weights` are of; without them `DEFAULT_MODEL`. Raises `ModelError` if
    the name is unknown.
    """
    if name in FORMATS.values():
        return name, None
    if name != "auto":
        return find_spec(name).name, None
    if weights is not None:
        from vecsim.models.families.mobilenet import model_of_weights

        chosen = model_of_weights(weights, smooth=False)
        return chosen, f"model: {chosen}, as {weights.name} holds its weights"
    return DEFAULT_MODEL, None


def list_models() -> list[ModelInfo]:
    """Return all models, those of other packages included, for people to choose from."""
    return [
        ModelInfo(
            name=spec.name,
            dim=spec.dim,
            size=spec.preparation.size,
            weights=family.weights_place(spec),
            threshold=spec.threshold,
            speed=spec.speed,
            copies_found=spec.copies_found,
            description=spec.description,
            oriented_thresholds=", ".join(
                f"{setting} {threshold:g}" for setting, threshold in spec.oriented_thresholds
            ),
        )
        for family, spec in all_models()
    ]


def default_threshold(name: str) -> float:
    """Return the score from which pairs of model `name` usually show the same picture.

    Raises `ModelError` if the model is unknown.
    """
    return find_spec(name).threshold


def threshold_of_fingerprint(fingerprint: Fingerprint, orientations: str = "none") -> float:
    """Return the usual threshold of the model that a fingerprint identifies, also of a retired one.

    `orientations`: the setting in which pictures are compared. Raises `ModelError` if no such model
    is known: an unknown name, or a known name with another preparation or dimension.
    """
    if fingerprint in bundled.RETIRED:
        return bundled.RETIRED[fingerprint].threshold_in(orientations)
    spec = find_spec(fingerprint.model)
    preparations = ("", spec.preparation.text)  # vectors made elsewhere say nothing about it
    same = fingerprint.model == spec.name and fingerprint.dim == spec.dim
    if not same or fingerprint.preprocessing not in preparations:
        raise ModelError(f"{fingerprint} is not {spec.name} as it is in this version of vecsim")
    return spec.threshold_in(orientations)


def is_retired(fingerprint: Fingerprint) -> bool:
    """Return whether the model is one of earlier versions whose weights this one has no more."""
    retired = {each.model for each in bundled.RETIRED}
    return fingerprint.model in retired and bool(fingerprint.preprocessing)
