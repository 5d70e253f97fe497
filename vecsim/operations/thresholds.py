"""Which threshold holds when nobody gives one."""

from __future__ import annotations

from pathlib import Path

from vecsim.errors import ModelError, UsageError
from vecsim.index import Snapshot
from vecsim.models import default_threshold
from vecsim.search.score import check_threshold

_SETTING = "threshold"


def check_question(threshold: float | None, top_k: int | None = None) -> None:
    """Raise `UsageError` unless these can be asked for, so that nobody waits for a model first."""
    if threshold is not None:
        check_threshold(threshold)
    if threshold is not None and top_k is not None:
        raise UsageError("ask for a threshold or for the top k, not for both.")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top k of {top_k}: ask for at least 1.")


def threshold_of(snapshot: Snapshot, given: float | None = None) -> float:
    """The threshold `given`, else the index's own, else its model's.

    Raises `UsageError` if it is outside [-1, 1], or if there is none.
    """
    if given is not None:
        return check_threshold(given)
    own = own_threshold(snapshot)
    if own is not None:
        return own
    try:
        return default_threshold(snapshot.fingerprint.model)
    except ModelError as error:
        raise UsageError(
            f"{snapshot.folder.path}: vectors of {snapshot.fingerprint.model!r} have no usual "
            f"threshold. Say one with --threshold."
        ) from error


def own_threshold(snapshot: Snapshot) -> float | None:
    """The threshold that the index itself keeps, if it has one."""
    stored = snapshot.setting(_SETTING)
    return None if stored is None else check_threshold(float(stored))


def keep_threshold(path: Path, threshold: float, *, wait: bool = False) -> None:
    """Make `threshold` what the index at `path` uses where none is given.

    Raises `UsageError`, `IndexLockedError` (unless `wait`), `StorageError`.
    """
    from vecsim.index.writer import Writer

    value = check_threshold(threshold)
    with Writer(path, wait=wait) as writer, writer.catalog.transaction():
        writer.catalog.set_setting(_SETTING, repr(value))
