"""The model that an index was made with: the only one whose vectors it takes."""

from __future__ import annotations

from pathlib import Path

from vecsim.catalog import Catalog
from vecsim.engines.options import WorkOptions
from vecsim.errors import FingerprintError, ModelError
from vecsim.index import Snapshot
from vecsim.models import load_embedder, resolve_model
from vecsim.protocols import Embedder


def open_embedder(
    path: Path,
    index: Snapshot | Catalog,
    weights: Path | None = None,
    work: WorkOptions | None = None,
) -> Embedder:
    """The model of `index`, which is at `path`. Raises `ModelError` if nobody here can load it."""
    fingerprint = index.fingerprint
    try:
        return load_embedder(
            fingerprint.model,
            weights=weights or own_weights(index),
            device=(work or WorkOptions()).device,
            expected=fingerprint,
        )
    except ModelError as error:
        if fingerprint.weights_sha256 or fingerprint.preprocessing:
            raise
        raise ModelError(
            f"{path}: holds vectors of {fingerprint.model!r}, a model that is not vecsim's: "
            f"images cannot be embedded for it. Add and query vectors instead."
        ) from error


def own_weights(index: Snapshot | Catalog) -> Path | None:
    """The weights file that an index was made with, if there was one and it is still there."""
    stored = index.setting("weights")
    return Path(stored) if stored is not None and Path(stored).is_file() else None


def needs_weights(path: Path) -> bool:
    """Whether the model of the index at `path` needs a weights file, and its own is gone."""
    with Snapshot(path) as snapshot:
        return bool(snapshot.fingerprint.weights_sha256) and own_weights(snapshot) is None


def check_model(path: Path, model: str, weights: Path | None) -> None:
    """Raise `FingerprintError` if the index at `path` is not of the model asked for."""
    if model == "auto":
        return
    name, _ = resolve_model(model, weights=weights)
    with Snapshot(path) as snapshot:
        if snapshot.fingerprint.model != name:
            raise FingerprintError(
                f"{path}: made with {snapshot.fingerprint}, and you ask for {name}. Vectors of "
                f"two models cannot be compared: build another index for {name}."
            )
