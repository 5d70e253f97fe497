"""The images that the last complete sync of an index has added or changed."""

from __future__ import annotations

import numpy as np

from vecsim.errors import UsageError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.records import Int64


def keys_of_last_sync(queries: Snapshot, references: Snapshot) -> tuple[Int64, Int64]:
    """Return the keys, ascending, of images that the last sync of each index added or changed.

    Raises `UsageError` if neither index was ever synced.
    """
    found = [_new_keys(queries), _new_keys(references)]
    if found[0] is None and found[1] is None:
        raise UsageError(
            f"{references.folder.path}: no sync of it was completed yet, so that it is not known "
            f"what is new.",
            hint=Hint(Action.SYNC_FIRST, path=references.folder.path),
        )
    none = np.empty(0, np.int64)
    first, second = (none if keys is None else keys for keys in found)
    return first, second


def _new_keys(snapshot: Snapshot) -> Int64 | None:
    sources = [row for row in snapshot.catalog.sources.all() if row.synced_at]
    if not sources:
        return None
    last = max(sources, key=lambda row: row.synced_at)
    images = snapshot.catalog.images
    return np.array(images.keys_added_between(last.synced_from, last.synced_at), np.int64)
