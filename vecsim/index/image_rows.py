"""The rows of the images of some pairs: ids at once, other columns when first read.

Most results need ids alone. A row of the catalog has a dozen more columns, and reading these takes
longer than finding the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.catalog import ImageRow
from vecsim.index.snapshot import Snapshot
from vecsim.records import Bool, ImageRef, Int64

# Keys from a range up to so many times as long as they are many are looked up in an array.
SHORT_RANGE = 4
# Where fewer than one in so many keys are asked for, only their ids are read, not all.
SOME_OF = 4


class ImageRows(Mapping[int, ImageRow]):
    """Rows of images by key, with fast access to their ids."""

    def ids(self, keys: Int64) -> npt.NDArray[np.object_]:
        """Return the ids of `keys` (n,), which may repeat: str, as objects (n,)."""
        distinct, places = distinct_keys(keys)
        ids = np.empty(len(distinct), object)
        ids[:] = [name for name, _ in self._names(distinct)]
        return ids[places]

    def references(self, keys: Int64) -> list[ImageRef]:
        """Return the reference (id, URL, fields) of each of `keys` (n,), which may repeat."""
        return [self[key].ref for key in keys.tolist()]

    def have_bytes(self, keys: Int64) -> Bool:
        """Tell which of `keys` (n,) have vectors of an image whose bytes are known: bool (n,)."""
        distinct, places = distinct_keys(keys)
        return np.array([known for _, known in self._names(distinct)], bool)[places]

    def any_bytes(self) -> bool:
        """Tell whether the bytes of any of the images are known."""
        return bool(self.have_bytes(np.fromiter(self, np.int64, len(self))).any())

    def _names(self, keys: Int64) -> list[tuple[str, bool]]:
        """Return the id of each of `keys`, and whether its bytes are known."""
        rows = (self[key] for key in keys.tolist())
        return [(row.ref.id, row.facts.sha256 != "") for row in rows]


class KnownRows(ImageRows):
    """Rows that are there already."""

    def __init__(self, rows: Mapping[int, ImageRow]) -> None:
        self._rows = rows

    def __getitem__(self, key: int) -> ImageRow:
        return self._rows[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class StoredRows(ImageRows):
    """Rows of a snapshot, read together when one of them is first asked for.

    So are the references alone, in less time.
    """

    def __init__(self, snapshot: Snapshot, keys: Int64) -> None:
        """`keys`: distinct, ascending. Reading raises `IndexDamagedError` if one has no row."""
        self._snapshot = snapshot
        self._keys = keys
        self._loaded: dict[int, ImageRow] | None = None
        self._references: dict[int, ImageRef] | None = None
        self._ids: npt.NDArray[np.object_] | None = None

    def __getitem__(self, key: int) -> ImageRow:
        if self._loaded is None:
            self._loaded = self._snapshot.rows(self._keys.tolist())
        return self._loaded[key]

    def ids(self, keys: Int64) -> npt.NDArray[np.object_]:
        """Return the ids of `keys` (n,), which may repeat: str, as objects (n,)."""
        if self._ids is None:
            if len(keys) * SOME_OF < len(self._keys):
                return super().ids(keys)
            self._ids = super().ids(self._keys)
        return self._ids.take(places_among(self._keys, keys))

    def any_bytes(self) -> bool:
        """Tell whether the bytes of any of the images are known."""
        return self._snapshot.has_bytes() and super().any_bytes()

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys.tolist())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Any) -> bool:
        place = int(np.searchsorted(self._keys, key))
        return place < len(self._keys) and bool(self._keys[place] == key)

    def _names(self, keys: Int64) -> list[tuple[str, bool]]:
        return self._snapshot.names(keys)

    def references(self, keys: Int64) -> list[ImageRef]:
        """Return the reference of each of `keys` (n,): of all rows, three columns are read."""
        if self._loaded is not None:
            return super().references(keys)
        if self._references is None:
            self._references = self._snapshot.references(self._keys.tolist())
        return [self._references[key] for key in keys.tolist()]


def distinct_keys(keys: Int64) -> tuple[Int64, Int64]:
    """Return the distinct `keys` (n,), ascending, and the place of each key among them (n,).

    `np.unique` imports masked arrays, to check whether it was given one: a tenth of a second before
    the first result.
    """
    if not len(keys):
        return keys, keys
    first, last = int(keys.min()), int(keys.max())
    if last - first < SHORT_RANGE * len(keys):
        present = np.zeros(last - first + 1, bool)
        present[keys - first] = True
        distinct = np.flatnonzero(present) + first
    else:
        ordered = np.sort(keys)
        distinct = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct, places_among(distinct, keys)


def places_among(distinct: Int64, keys: Int64) -> Int64:
    """Return the place of each of `keys` (n,) among `distinct` keys, ascending, which hold all."""
    if not len(keys):
        return keys
    first, last = int(distinct[0]), int(distinct[-1])
    if last - first == len(distinct) - 1:
        return keys - first
    if last - first < SHORT_RANGE * len(keys):
        places = np.zeros(last - first + 1, np.int64)
        places[distinct - first] = np.arange(len(distinct))
        return places[keys - first]
    return np.searchsorted(distinct, keys)
