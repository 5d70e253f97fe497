"""Adding sources to the class `Index`, and following them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecsim.api.arguments import Reference, as_ref
from vecsim.operations import building
from vecsim.operations.requests import RunOptions
from vecsim.operations.source_indexes import refs_of
from vecsim.operations.syncing import Change, SyncOptions, SyncReport, name_sources, sync
from vecsim.records import AddReport, ImageRef
from vecsim.sources import SourceOptions


class FollowsSources:
    """An index that follows its sources; `Index` has the index itself."""

    path: Path

    if TYPE_CHECKING:

        def _options(self, **values: Any) -> RunOptions:
            """The options of a run on the index."""

    def add(
        self,
        source: str | Path | Iterable[Reference],
        *,
        options: SourceOptions | None = None,
        on_duplicate: str = "error",
        wait: bool = False,
    ) -> AddReport:
        """Add the images of a CSV, TSV or JSON lines file, of a folder, or given references.

        `source`: the file or folder, or URLs, paths and `ImageRef`s; a URL or path by itself is its
        own id. `options`: how a file is read. `on_duplicate`: what to do with an id that is listed
        again with another URL: "error", "skip" or "replace". `wait`: wait for another writer.

        Images that the index has are skipped without a download; those that cannot be loaded become
        `failures`. Raises `InputError`, `DuplicateIdError`, `ModelError`, `IndexLockedError`,
        `StorageError`; what was committed before an error is kept.
        """
        if isinstance(source, str | Path):
            refs: Iterator[ImageRef] = refs_of([os.fspath(source)], options or SourceOptions())
        else:
            refs = map(as_ref, source)
        return building.add(self.path, refs, self._options(on_duplicate=on_duplicate, wait=wait))

    def sync(
        self,
        *sources: str | Path,
        options: SourceOptions | None = None,
        name: str | None = None,
        changed: Callable[[Change], None] = lambda change: None,
        wait: bool = False,
        **how: Any,
    ) -> SyncReport:
        """Make the index hold what `sources` (lists or folders) list now.

        `options`: how lists are read. `name`: of the source, by default its path. `changed` is
        called with each change. `how`: the fields of `SyncOptions`, such as `dry_run=True`,
        `max_remove=40`, `allow_empty=True`, `keep_missing=True`, `refresh=True`, `adopt=True`.
        Raises `InputError` if too much would be removed, and what `add` does.
        """
        places = [os.fspath(source) for source in sources]
        named = name_sources(places, options or SourceOptions(), name)
        return sync(self.path, named, SyncOptions(**how), self._options(wait=wait), changed)
