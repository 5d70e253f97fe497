"""What changes the images of an `Index`: add, sync, refresh, retry, remove."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from vecsim.api.arguments import as_ids, list_options
from vecsim.api.images import Images, SupportsArrow, open_images, sync_sources
from vecsim.api.pictures import Reference, is_url
from vecsim.api.progress import ProgressTo, watching
from vecsim.engines.engine import WorkOptions
from vecsim.operations import building, external_vectors, maintenance
from vecsim.operations.external_vectors import VectorTable
from vecsim.operations.requests import ModelChoice, RunOptions, parse_timestamp
from vecsim.operations.syncing import Change, SyncOptions, SyncReport, sync
from vecsim.operations.thumbnails import FetchedThumbnails, fetch_thumbnails
from vecsim.records import AddReport, ImageRef
from vecsim.sources import Reading, SourceOptions, count_refs, refs_of, source_path


class IndexChanges:
    """Changes of the images of an index; `Index` has the index itself."""

    path: Path
    work: WorkOptions
    _model: ModelChoice

    def _options(self, **values: Any) -> RunOptions:
        return RunOptions(self._model, self.work, **values)

    @overload
    def add(
        self,
        source: str | os.PathLike[str] | SupportsArrow,
        *,
        id: str | None = None,
        url: str | Sequence[str] | None = None,
        image: str | None = None,
        columns: Sequence[str] | None = None,
        options: SourceOptions | None = None,
        name: str | None = None,
        on_duplicate: str = "error",
        orientations: str | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> AddReport: ...

    @overload
    def add(
        self,
        source: Reference | Iterable[Reference] | Mapping[str, Reference],
        *,
        ids: object = None,
        fields: Iterable[Mapping[str, str]] | None = None,
        name: str | None = None,
        on_duplicate: str = "error",
        orientations: str | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> AddReport: ...

    def add(
        self,
        source: Images,
        *,
        id: str | None = None,
        url: str | Sequence[str] | None = None,
        image: str | None = None,
        columns: Sequence[str] | None = None,
        ids: object = None,
        fields: Iterable[Mapping[str, str]] | None = None,
        options: SourceOptions | None = None,
        name: str | None = None,
        on_duplicate: str = "error",
        orientations: str | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> AddReport:
        """Add images: those of a list, folder or table, or given ones.

        `source`: the path of a list (CSV, TSV, JSON, Parquet), folder or picture; a table (pandas,
        Polars, Arrow); or an image or several: URLs, paths, `ImageRef`s, bytes, open binary files,
        Pillow images, pixels (uint8, height x width x 3).

        Of a list or table, `id`, `url` and `columns` name the columns of ids, of URLs and those to
        keep; `image` that of the pictures themselves in a table; without them, they are found.
        `options`: all other ways in which a list is read. Of images, `ids` are their ids, by
        default the URL or path, and of a picture in memory the SHA-256 of its bytes (of its pixels
        as a PNG); `fields`: their fields. A mapping has the ids as keys.

        `name`: by which the index remembers the source and `sync` follows it; by default the path
        of the file or folder. `on_duplicate`: what to do with an id that comes again with another
        picture: "error", "skip" or "replace". `orientations`: in which orientations images are
        stored from now on, known ones too. `wait`: True to wait for another writer, a number
        to wait so many seconds at most. `progress`: True for a
        bar, or a function of a `Progress`. `cancel`: once it is set, what is done is committed and
        the call returns.

        Images that the index has are skipped without a download; those that cannot be loaded become
        `failures`. Raises `UsageError` for what is no image, `InputError`, `DuplicateIdError`,
        `ModelError`, `IndexLockedError`, `StorageError`; what was committed before is kept.

        >>> from PIL import Image
        >>> index.add({"red": Image.new("RGB", (64, 64), "red")}).added
        1
        >>> index.add("Pictures").added
        6
        """
        reading, places = Reading(), {}
        how = list_options(options, id, url, columns)
        is_place = isinstance(source, str | os.PathLike) and not is_url(source)
        total: Callable[[], int | None] | int | None
        if is_place and ids is None and fields is None and image is None:
            place = os.fspath(source)  # type: ignore[arg-type]
            refs: Iterator[ImageRef] = refs_of([place], how, name, reading)
            places = {name: source_path(place)} if name else {}
            total = lambda: count_refs([place], how)  # noqa: E731
        else:
            refs, total = open_images(source, how, reading, image=image, ids=ids, fields=fields)
            if name:
                refs = (replace(ref, source=name) for ref in refs)
        with watching(progress, total) as watch:
            run = self._options(
                on_duplicate=on_duplicate,
                orientations=orientations,
                wait=wait,
                places=places,
                progress=watch,
                stop=cancel,
            )
            report = building.add(self.path, refs, run)
        report.notes = reading.notes
        return report

    def sync(
        self,
        *sources: str | Path | SupportsArrow,
        id: str | None = None,
        url: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        options: SourceOptions | None = None,
        name: str | None = None,
        changed: Callable[[Change], None] = lambda change: None,
        dry_run: bool = False,
        max_remove: float = 20.0,
        allow_empty: bool = False,
        keep_missing: bool = False,
        adopt: bool = False,
        refresh: bool = False,
        orientations: str | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> SyncReport:
        """Make the index hold what `sources` (lists, folders or tables) list now.

        `id`, `url`, `columns`, `options`: how lists and tables are read, as in `add`. `name`: of
        the source, by default its path; a table needs one. `changed` is called with each change.
        `dry_run`, `max_remove`, `allow_empty`, `keep_missing`, `adopt`, `refresh`: see
        `SyncOptions`. `orientations`, `wait`, `progress`, `cancel`: as in `add`.

        Images that no source lists, such as pictures that were in memory, stay as they are.
        Raises `InputError` if too much would be removed, and what `add` does.

        >>> report = index.sync("Pictures", dry_run=True)
        >>> report.listed, report.added
        (6, 6)
        """
        how = SyncOptions(
            dry_run=dry_run,
            max_remove=max_remove,
            allow_empty=allow_empty,
            keep_missing=keep_missing,
            adopt=adopt,
            refresh=refresh,
        )
        lists = list_options(options, id, url, columns)
        named, total = sync_sources(sources, lists, name)
        with watching(progress, total) as watch:
            run = self._options(wait=wait, orientations=orientations, progress=watch, stop=cancel)
            return sync(self.path, named, how, run, changed)

    def add_vectors(
        self,
        vectors: npt.ArrayLike,
        ids: Sequence[object],
        *,
        urls: Sequence[str] | None = None,
        fields: Sequence[Mapping[str, str]] | None = None,
        wait: bool | float = False,
    ) -> int:
        """Add vectors, float (n, dim), to an index made by `from_vectors`; returns how many.

        Raises `FingerprintError` (wrong dimension, or an index of images), `VectorError`,
        `DuplicateIdError`, `InputError`, `IndexLockedError`.

        >>> own = vecsim.Index.from_vectors("own", [[1, 0], [0, 1]], ["a", "b"])
        >>> own.add_vectors([[0.6, 0.8]], ["c"])
        1
        """
        table = VectorTable(np.asarray(vectors), ids, urls, fields)
        return external_vectors.add_vectors(self.path, table, wait=wait)

    def retry(
        self,
        *,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> AddReport:
        """Try the failures again, and only them. Raises what `add` does.

        Pictures that were in memory stay failures: add them again.

        >>> index.add(["late.jpg"])
        AddReport(added=0, failed=1, failures_by_kind={'no-file': 1})
        >>> import shutil
        >>> shutil.copy("Pictures/1.jpg", "late.jpg")
        'late.jpg'
        >>> index.retry()
        AddReport(added=1)
        """
        with watching(progress) as watch:
            run = self._options(wait=wait, progress=watch, stop=cancel)
            return building.retry(self.path, run)

    def refresh(
        self,
        *,
        older_than: str | date | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> AddReport:
        """Request all images again and embed those whose bytes have changed.

        A changed image counts as added now; one that cannot be loaded any more stays as it was and
        is among the `failures`. Images without a URL, such as pictures that were in memory, are
        left out. `older_than`: only images not checked since: a time or a span, as in `match`.

        >>> shop.refresh().unchanged
        6
        """
        moment = None if older_than is None else parse_timestamp(older_than)
        with watching(progress, lambda: maintenance.count(self.path)) as watch:
            run = self._options(wait=wait, progress=watch, stop=cancel)
            return building.refresh(self.path, run, older_than=moment)

    def remove(
        self,
        ids: str | int | Iterable[object],
        *,
        missing_ok: bool = False,
        wait: bool | float = False,
    ) -> int:
        """Remove images by id; returns how many. Raises `UnknownIdError` unless `missing_ok`.

        >>> shop.remove(["Pictures/1.jpg", "Pictures/9.jpg"], missing_ok=True)
        1
        """
        wanted = as_ids(ids)
        return maintenance.remove(self.path, wanted, missing_ok=missing_ok, wait=wait)

    def fetch_thumbnails(
        self,
        *,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> FetchedThumbnails:
        """Fetch the images that have no thumbnail again, and store one of each.

        >>> plain = vecsim.Index.create("plain", model="phash", thumbnails=False)
        >>> plain.add("Pictures").added, plain.fetch_thumbnails().added
        (6, 6)
        """
        with watching(progress) as watch:
            run = self._options(wait=wait, progress=watch, stop=cancel)
            return fetch_thumbnails(self.path, run)
