"""What an index has already: references that need no download, bytes that need no embedding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from vecsim.catalog import Catalog, ImageRow, ThumbnailStore
from vecsim.errors import DuplicateIdError, FailureKind
from vecsim.hints import Action, Hint
from vecsim.index import IndexFolder
from vecsim.operations.local_files import is_missing, local_path
from vecsim.orientations import AS_IT_IS
from vecsim.pipeline import EmbeddingLookup, KnownEmbedding
from vecsim.records import AddReport, Float32, ImageRef, UnusableRef
from vecsim.segments import Segment

_BATCH = 500
_BATCH_BYTES = 32 << 20
"""Bytes of pictures in memory at which a batch of references ends."""

_IN_MEMORY = "the picture in memory with the SHA-256 "


def must_add(ref: ImageRef, stored: str | None, on_duplicate: str) -> bool:
    """Decide by `on_duplicate` whether `ref` is added.

    `stored`: what its id stands for already, as `picture_of` says; None for a new id. The same id
    and picture again is skipped. Raises `DuplicateIdError` for another picture under "error".
    """
    if stored is None:
        return True
    now = picture_of(ref)
    if now == stored or on_duplicate == "skip":
        return False
    if on_duplicate == "replace":
        return True
    where = f"{ref.location}: " if ref.location else ""
    raise DuplicateIdError(
        f"{where}id {ref.id!r} stands for {stored or 'a vector'} already, and now for {now}. Ids "
        f"must be unique.",
        hint=Hint(Action.RESOLVE_DUPLICATE_ID),
    )


def picture_of(ref: ImageRef, sha256: str = "") -> str:
    """Return what tells the picture of a reference from others: its URL, else a text of its bytes.

    `sha256`: of the bytes of an image that is stored; a picture in memory brings its own.
    """
    if ref.fetched is not None:
        sha256 = ref.fetched.facts.sha256
    return ref.url or (f"{_IN_MEMORY}{sha256}" if sha256 else "")


def forget_mended_rows(catalog: Catalog, refs: Iterable[ImageRef]) -> None:
    """Delete the failures of rows that could not be read, and that are sound in `refs`.

    Such a failure has no id of its own: it is called by its place, "shop.csv line 7". Of two lists
    with one name, only the one that has claimed the failure deletes it.
    """
    if not catalog.failures.count():
        return
    sources: dict[str, str] = {}
    for ref in refs:
        if ref.location and not isinstance(ref, UnusableRef):
            sources[ref.location.rpartition("/")[2]] = ref.source
    unread = (FailureKind.BAD_ROW, FailureKind.BAD_URL)
    mended = {
        id_
        for id_, failure in catalog.failures.by_id(sources).items()
        if failure.kind in unread and not failure.ref.url
    }
    if not mended:
        return
    owners = catalog.sources.owners(mended)
    names = {source.number: source.name for source in catalog.sources.all()}
    mended = {
        id_
        for id_ in mended
        if id_ not in owners or sources[id_] in {names[owner.source] for owner in owners[id_]}
    }
    with catalog.transaction():
        catalog.failures.delete(mended)
        catalog.sources.release((o.id, o.source) for id_ in mended for o in owners.get(id_, []))


class NewImages:
    """Filters references: those the index has are skipped and counted in `report`."""

    def __init__(
        self,
        catalog: Catalog,
        on_duplicate: str,
        report: AddReport,
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`go_on` is called before each batch; when it returns False, no more references pass."""
        self._catalog = catalog
        self._on_duplicate = on_duplicate
        self._report = report
        self._go_on = go_on
        # Keys of known images whose file is gone, or is there again: to be noted in the catalog.
        self.now_missing: list[int] = []
        self.now_present: list[int] = []
        # Passed on, but not yet committed: id to what `picture_of` returns.
        self._pending: dict[str, str] = {}

    def of(self, refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
        """Yield the references that must be fetched, in order.

        The same id and URL again is skipped, recorded failures too, except images lost to a damaged
        file; the same id with another URL follows `on_duplicate`. Raises `DuplicateIdError`.
        """
        source = iter(refs)
        while self._go_on() and (batch := list(_next_batch(source))):
            # Decided for the whole batch at once: a commit between two of its rows would make
            # the URLs looked up here out of date.
            chosen, error = self._choose(batch)
            yield from chosen
            if error is not None:
                raise error

    def committed(self, refs: Iterable[ImageRef]) -> None:
        """Forget references that are now in the catalog."""
        for ref in refs:
            if self._pending.get(ref.id) == ref.url or not ref.url:
                self._pending.pop(ref.id, None)

    def _choose(self, batch: list[ImageRef]) -> tuple[list[ImageRef], DuplicateIdError | None]:
        """Return the new references of a batch up to the first error, and that error."""
        ids = [ref.id for ref in batch]
        rows = self._catalog.images.by_id(ids)
        stored = {id_: picture_of(row.ref, row.facts.sha256) for id_, row in rows.items()}
        failed = self._catalog.failures.urls(ids, exclude_kind="lost")
        chosen: list[ImageRef] = []
        known: list[ImageRef] = []
        for ref in batch:
            there = self._pending.get(ref.id, stored.get(ref.id))
            try:
                # What has failed is not tried again; a picture in memory may be another one now.
                new = (ref.url != failed.get(ref.id) or ref.fetched is not None) and (
                    # A row without a picture is no other picture for its id.
                    isinstance(ref, UnusableRef) or must_add(ref, there, self._on_duplicate)
                )
            except DuplicateIdError as error:
                self._note_known(known, rows, failed)
                forget_mended_rows(self._catalog, [*chosen, *known])
                return chosen, error
            if new:
                self._pending[ref.id] = picture_of(ref)
                chosen.append(ref)
            else:
                known.append(ref)
                self._report.skipped += 1
                self._look_for_file(ref, rows.get(ref.id))
        self._note_known(known, rows, failed)
        forget_mended_rows(self._catalog, batch)
        return chosen, None

    def _note_known(
        self, refs: list[ImageRef], rows: dict[str, ImageRow], failed: dict[str, str]
    ) -> None:
        """Store what is new about references that the index has: their source and their fields.

        A failure is deleted when its id comes back with the URL of the stored image. Fields are
        written under "replace" only.
        """
        same = [ref for ref in refs if ref.id in rows and rows[ref.id].ref.url == ref.url]
        with self._catalog.transaction():
            self._catalog.failures.delete(
                ref.id for ref in same if failed.get(ref.id, ref.url) != ref.url
            )
            if self._on_duplicate == "replace":
                changed = [ref for ref in same if rows[ref.id].ref.fields != ref.fields]
                newer = ((rows[ref.id].key, ref.fields) for ref in changed)
                self._catalog.images.update_fields(newer)
                self._catalog.add_field_names(name for ref in changed for name in ref.fields)
                self._report.updated += len({ref.id for ref in changed})
            same += [ref for ref in refs if failed.get(ref.id) == ref.url]
            self._catalog.sources.claim_refs(same)

    def _look_for_file(self, ref: ImageRef, row: ImageRow | None) -> None:
        """Note whether the local file of a known image is gone, or is there again."""
        if row is None or row.ref.url != ref.url or local_path(ref.url) is None:
            return
        gone = is_missing(ref.url)
        if gone and row.missing_since is None:
            self.now_missing.append(row.key)
        elif not gone and row.missing_since is not None:
            self.now_present.append(row.key)


def _next_batch(source: Iterator[ImageRef]) -> Iterator[ImageRef]:
    """Yield the references of the next batch: fewer of pictures in memory, which take space."""
    size = 0
    for ref in islice(source, _BATCH):
        yield ref
        size += len(ref.fetched.data) if ref.fetched is not None else 0
        if size >= _BATCH_BYTES:
            return


class ImagesByHash:
    """Finds a committed image with given bytes. Has connections of its own; `close` them."""

    def __init__(self, folder: IndexFolder, segments: Callable[[], Sequence[Segment]]) -> None:
        """`segments`: returns the segments that are open now; it may lag behind the catalog."""
        self._catalog = Catalog.open(folder.catalog, shared=True)
        self._thumbnails = ThumbnailStore(folder.thumbnails)
        self._segments = segments
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._catalog.close()
            self._thumbnails.close()

    def find(self, sha256: str) -> tuple[ImageRow, KnownEmbedding] | None:
        """Return a live image with these bytes, and its embedding.

        Returns None if there is none, and also while its segment is not open here yet: embedding
        the bytes again gives the same vector.
        """
        segments = self._segments()
        if not segments:
            return None
        with self._lock:
            row = self._catalog.images.by_sha256(sha256)
            if row is None:
                return None
            thumbnail = self._thumbnails.get([row.key]).get(row.key, b"")
        for segment in segments:
            _, rows = segment.rows_of(np.array([row.key]))
            if len(rows):
                vector = np.array(segment.vectors[rows[0]])
                return row, KnownEmbedding(vector, row.facts, thumbnail, _turned(segment, row.key))
        return None


def _turned(segment: Segment, key: int) -> dict[int, Float32]:
    """Return the stored vectors of an image in other orientations, by code."""
    found = {}
    for code, turned in segment.turned.items():
        _, rows = turned.rows_of(np.array([key]))
        if len(rows):
            found[code] = np.array(turned.vectors[rows[0]])
    return found


def lookup_vectors(
    known: ImagesByHash,
    found: Callable[[], None] = lambda: None,
    *,
    thumbnails: bool = True,
    orientations: Sequence[int] = (AS_IT_IS,),
) -> EmbeddingLookup:
    """Adapt `known` to the pipeline: SHA-256 to stored vector. `found` is called for each hit.

    `thumbnails`: whether the stored thumbnails are returned with the vectors. `orientations`: an
    image without vectors of all of these counts as unknown.
    """

    def lookup(sha256: str) -> KnownEmbedding | None:
        stored = known.find(sha256)
        if stored is None or not stored[1].has(orientations):
            return None
        found()
        return stored[1] if thumbnails else replace(stored[1], thumbnail=b"")

    return lookup
