"""What an index uses where nothing else is given: its model, weights, threshold, thumbnails.

Functions import `vecsim.models` where they use it: the import takes about 0.05 s, and a search with
a threshold does without it.
"""

from __future__ import annotations

from pathlib import Path

from vecsim.catalog import Catalog
from vecsim.engines.engine import WorkOptions
from vecsim.errors import FingerprintError, ModelError, UsageError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.index.late_thumbnails import FROM_FILES
from vecsim.index.late_thumbnails import SETTING as THUMBNAILS
from vecsim.operations.requests import ModelChoice
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint
from vecsim.search.score import check_threshold

# Names under which the catalog stores the settings.
THRESHOLD = "threshold"
WEIGHTS = "weights"


# -- the model -----------------------------------------------------------------------------------


def load_index_model(
    path: Path, index: Snapshot | Catalog, model: ModelChoice, work: WorkOptions
) -> Embedder:
    """Load the model that `index`, at `path`, was made with.

    Only the `embedder` and `weights` of `model` are used: the name is the index's.
    Raises `ModelError`, and `FingerprintError` for an `embedder` that is another model.
    """
    from vecsim.models import load_embedder
    from vecsim.models.registry import is_reserved

    fingerprint = index.fingerprint
    if model.embedder is not None:
        if model.embedder.fingerprint != fingerprint:
            raise FingerprintError(
                f"{path}: made with {fingerprint}, and the model given is "
                f"{model.embedder.fingerprint}. Vectors of two models cannot be compared."
            )
        return model.embedder
    check_not_retired(path, fingerprint)
    try:
        return load_embedder(
            fingerprint.model,
            weights=model.weights or stored_weights(index),
            device=work.device,
            expected=fingerprint,
            settings=model.settings,
        )
    except ModelError as error:
        if is_reserved(fingerprint.model):
            raise
        if fingerprint.preprocessing:
            raise ModelError(
                f"{path}: made with {fingerprint}, which is not a model that vecsim can load by "
                f"its name.",
                hint=Hint(Action.PASS_MODEL),
            ) from error
        raise ModelError(
            f"{path}: holds vectors of {fingerprint.model!r}, which is not a model of vecsim: "
            f"images cannot be embedded for it. Add vectors, and query by vector or id."
        ) from error


def check_not_retired(path: Path, fingerprint: Fingerprint) -> None:
    """Raise `ModelError` if vecsim no longer has the weights of the index at `path`."""
    from vecsim.models import is_retired

    if is_retired(fingerprint):
        raise ModelError(
            f"{path}: made with {fingerprint}, an earlier model whose weights are no longer part "
            f"of vecsim: pictures cannot be embedded for it.",
            hint=Hint(Action.REBUILD_WITH_NEW_MODEL, path=path),
        )


def check_model(path: Path, model: ModelChoice) -> None:
    """Raise `FingerprintError` unless the index at `path` was made with `model`."""
    if model.embedder is None and model.name == "auto":
        return
    from vecsim.models import resolve_model
    from vecsim.models.keras_weights import file_sha256

    with Snapshot(path) as snapshot:
        stored = snapshot.fingerprint
    if model.embedder is not None:
        same, asked = model.embedder.fingerprint == stored, str(model.embedder.fingerprint)
    else:
        asked, _ = resolve_model(model.name, weights=model.weights)
        same = asked == stored.model
        if same and model.settings is not None and model.weights is not None:
            same = file_sha256(model.weights) == stored.weights_sha256
            asked = str(model.weights)
    if not same:
        raise FingerprintError(
            f"{path}: made with {stored}, but {asked} was asked for. Vectors of two models cannot "
            f"be compared: build another index for {asked}."
        )


def stored_weights(index: Snapshot | Catalog) -> Path | None:
    """Return the weights file that an index was made with, if there was one and it still exists."""
    stored = index.setting(WEIGHTS)
    return Path(stored) if stored is not None and Path(stored).is_file() else None


def needs_weights(path: Path) -> bool:
    """Whether the model of the index at `path` needs a weights file that no longer exists."""
    with Snapshot(path) as snapshot:
        return bool(snapshot.fingerprint.weights_sha256) and stored_weights(snapshot) is None


def settings_of(model: ModelChoice, embedder: Embedder, *, thumbnails: bool) -> dict[str, str]:
    """Return the settings of a new index of `embedder`, as the catalog stores them.

    The threshold of a model that vecsim does not know by name is stored, since it is known only
    while the object is there.
    """
    from vecsim.models.registry import is_reserved

    settings = thumbnails_setting(thumbnails)
    if model.weights is not None:
        settings[WEIGHTS] = str(model.weights.resolve())
    by_name = is_reserved(embedder.fingerprint.model) and model.settings is None
    if embedder.threshold is not None and not by_name:
        settings[THRESHOLD] = repr(check_threshold(embedder.threshold))
    return settings


# -- thumbnails ----------------------------------------------------------------------------------


def keeps_thumbnails(index: Snapshot | Catalog) -> bool:
    """Whether an index stores thumbnails; one that does not say so does."""
    return index.setting(THUMBNAILS) not in ("no", FROM_FILES)


def thumbnails_setting(keep: bool) -> dict[str, str]:
    """Return the setting as the catalog stores it."""
    return {THUMBNAILS: "yes" if keep else "no"}


# -- the threshold -------------------------------------------------------------------------------


def threshold_of(
    snapshot: Snapshot, given: float | None = None, orientations: str | None = None
) -> float:
    """Return the threshold `given` (and checked before), else the index's own, else its model's.

    `orientations`: the setting in which pictures are compared; None as they are. Raises
    `UsageError` if there is none.
    """
    if given is not None:
        return given
    stored = stored_threshold(snapshot)
    if stored is not None:
        return stored
    from vecsim.models import threshold_of_fingerprint

    try:
        return threshold_of_fingerprint(snapshot.fingerprint, orientations or "none")
    except ModelError as error:
        raise UsageError(
            f"{snapshot.folder.path}: vectors of {snapshot.fingerprint.model!r} have no usual "
            f"threshold.",
            hint=Hint(Action.CHOOSE_THRESHOLD),
        ) from error


def stored_threshold(snapshot: Snapshot) -> float | None:
    """Return the threshold stored in the index itself, if any."""
    stored = snapshot.setting(THRESHOLD)
    return None if stored is None else check_threshold(float(stored))


def store_threshold(path: Path, threshold: float, *, wait: bool | float = False) -> None:
    """Store `threshold` in the index at `path`, which uses it where none is given.

    Raises `UsageError`, `IndexLockedError` (unless `wait`), `StorageError`.
    """
    from vecsim.index.writer import Writer

    value = check_threshold(threshold)
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        writer.catalog.set_setting(THRESHOLD, repr(value))
