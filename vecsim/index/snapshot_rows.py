"""What a reader sees of the catalog: the rows that belong to its generation."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence

import numpy as np

from vecsim.catalog import Catalog, ImageRow, SharedBytes
from vecsim.catalog.decisions import Decision
from vecsim.errors import IndexDamagedError, UnknownIdError
from vecsim.hints import Action, Hint
from vecsim.index.late_thumbnails import FROM_FILES, SETTING, ShownThumbnails
from vecsim.index.layout import IndexFolder
from vecsim.records import Failure, ImageRef, Int64

_ROWS_AT_ONCE = 1000  # rows that are read from the catalog together
_MAX_NAMES = 200_000  # ids of images that are kept in memory


class SnapshotRows:
    """The rows of one generation; `Snapshot` has its vectors too.

    Look-ups in the catalog are not safe from two threads at once.
    """

    folder: IndexFolder
    generation: int
    _catalog: Catalog
    _thumbnails: ShownThumbnails
    _keys: list[Int64]
    _names: dict[int, tuple[str, bool]]
    _has_bytes: bool | None = None

    @property
    def catalog(self) -> Catalog:
        """The catalog, for reading."""
        return self._catalog

    @property
    def field_names(self) -> list[str]:
        """The names of the other columns of the sources, which each image carries."""
        return self._catalog.field_names()

    def setting(self, name: str) -> str | None:
        """Return a setting of the index, or None."""
        return self._catalog.setting(name)

    def rows(self, keys: Iterable[int]) -> dict[int, ImageRow]:
        """Return the rows of images of this snapshot, by key. Raises `IndexDamagedError`."""
        wanted = list(keys)
        found = self._catalog.images.by_key(wanted)
        self._require(wanted, found)
        return found

    def _require(self, keys: Iterable[int], found: Container[int]) -> None:
        """Raise `IndexDamagedError` unless all `keys` were found in the catalog."""
        if any(key not in found for key in keys):
            raise IndexDamagedError(
                f"{self.folder.path}: some vectors have no image in the catalog.",
                hint=Hint(Action.VERIFY_INDEX, path=self.folder.path),
            )

    def names(self, keys: Int64) -> list[tuple[str, bool]]:
        """Return the id of each of `keys`, and whether its vector came with an image's bytes.

        Neither ever changes, so that both are kept for the next call. Raises `IndexDamagedError`.
        """
        unknown = [key for key in keys.tolist() if key not in self._names]
        if unknown:
            if len(self._names) > _MAX_NAMES:
                self._names.clear()
                unknown = keys.tolist()
            found = self._catalog.images.names_by_key(unknown)
            self._require(unknown, found)
            self._names.update(found)
        return [self._names[key] for key in keys.tolist()]

    def has_bytes(self) -> bool:
        """Return whether the vectors of any image may have come with an image's bytes."""
        if self._has_bytes is None:
            self._has_bytes = self._catalog.hashes.any_known()
        return self._has_bytes

    def references(self, keys: Sequence[int]) -> dict[int, ImageRef]:
        """Return the references of images by key, with less work than their rows take.

        Raises `IndexDamagedError`.
        """
        found = self._catalog.images.references_by_key(keys)
        self._require(keys, found)
        return found

    def rows_of_ids(self, ids: Iterable[str]) -> dict[str, ImageRow]:
        """Return the rows of images of this snapshot, by id; unknown ids are left out."""
        return self._catalog.images.by_id_at(ids, self.generation)

    def row_of(self, image_id: str) -> ImageRow:
        """Return the row of the image called `image_id`. Raises `UnknownIdError`."""
        rows = self.rows_of_ids([image_id])
        if image_id not in rows:
            full = os.path.abspath(image_id)
            advice = f" There is {full!r}." if self.rows_of_ids([full]) else ""
            raise UnknownIdError(f"{self.folder.path}: no image has the id {image_id!r}.{advice}")
        return rows[image_id]

    def all_rows(self) -> Iterator[ImageRow]:
        """Yield the rows of all images, in the order in which they were added."""
        for keys in self._keys:
            for start in range(0, len(keys), _ROWS_AT_ONCE):
                part = keys[start : start + _ROWS_AT_ONCE].tolist()
                rows = self.rows(part)
                yield from (rows[key] for key in part)

    def keys_since(self, moment: str) -> Int64:
        """Return the keys, ascending, of images added at or after `moment` (UTC, ISO 8601)."""
        return np.array(self._catalog.images.keys_added_since(moment), np.int64)

    def thumbnails(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the thumbnails (JPEG files) of those images of this snapshot that have one.

        In the kept index of a folder they are made of the files now.
        """
        wanted = list(keys)
        found = self.stored_thumbnails(wanted)
        if self.setting(SETTING) == FROM_FILES:
            missing = self._catalog.images.by_key(key for key in wanted if key not in found)
            found |= self._thumbnails.make(missing.values())
        return found

    def stored_thumbnails(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return those thumbnails that the index stores."""
        return self._thumbnails.get(keys)

    def readable_thumbnails(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return thumbnails beside an answer; none of a damaged file, which `verify` reports."""
        try:
            return self.thumbnails(keys)
        except IndexDamagedError:
            return {}

    def failures(self) -> Iterator[Failure]:
        """Yield the recorded failures, as they are now."""
        return self._catalog.failures.all()

    def failures_by_kind(self) -> dict[str, int]:
        """Return how many failures of each kind there are now."""
        return self._catalog.failures.by_kind()

    def shared_bytes(self, least: int) -> list[SharedBytes]:
        """Return bytes that at least `least` images have, the most frequent first."""
        return self._catalog.hashes.shared(least, self.generation)

    def urls_of(self, sha256: str, limit: int) -> list[str]:
        """Return at most `limit` of the URLs whose bytes have this hash."""
        return self._catalog.hashes.urls_of(sha256, limit, self.generation)

    def decisions(self) -> list[Decision]:
        """Return the decisions about pairs of pictures, as they are now."""
        return self._catalog.decisions.all()

    def rows_of_hashes(self, hashes: Iterable[str]) -> list[ImageRow]:
        """Return the rows, by ascending key, of images with bytes of these hashes."""
        return self._catalog.images.by_hashes(hashes, self.generation)

    def uniform_keys(self) -> Int64:
        """Return the keys, ascending, of images of one colour, as far as that was measured."""
        return np.array(self._catalog.images.uniform_keys(self.generation), np.int64)

    def warnings(self) -> Iterator[tuple[str, str, str]]:
        """Yield id, URL and the decoder's warnings, as they are now, of each image with any."""
        return self._catalog.images.warnings()
