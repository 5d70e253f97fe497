"""Handing an index over to files and databases, and taking it back: a part of `Index`."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from vecsim.api.progress import ProgressTo, counting
from vecsim.operations import handover
from vecsim.operations.handover import Handover, ImportOptions
from vecsim.operations.requests import ModelChoice
from vecsim.stores import TABLE, Columns, Place

if TYPE_CHECKING:
    from typing import Self


class IndexHandover:
    """Exports and imports; `Index` has the index itself."""

    path: Path

    def export_to(
        self,
        place: str | Path,
        *,
        table: str = TABLE,
        overwrite: bool = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Handover:
        """Hand vectors, ids, URLs, fields and facts over to a file or database, and read them back.

        `place`: FILE.parquet, FILE.faiss, lancedb:FOLDER, qdrant:FOLDER, qdrant:http://HOST:6333 or
        postgresql://HOST/DATABASE. `table`: the table or collection of a database. `overwrite`:
        replace what is there. After an interruption, the same call continues; to a database,
        it adds what is new in the index. `progress`: True for a bar, or a function of a `Progress`.
        `cancel`: once it is set, `StoppedError` is raised.
        Raises `StorageError`, `UsageError`, `MissingExtraError`.

        >>> shop.export_to("shop.faiss")
        Handover(count=6, written=6)
        """
        where = Place(str(place), table)
        with counting(progress, cancel, "The export") as report:
            return handover.export_to(self.path, where, overwrite=overwrite, progress=report)

    @classmethod
    def import_from(
        cls,
        path: str | Path,
        place: str | Path,
        *,
        table: str = TABLE,
        model: str = "external",
        columns: Columns | None = None,
        allow_changes: bool = False,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Self:
        """Make or extend the index at `path` from what `export_to` wrote to `place`.

        Also a table of another program, whose `columns` are named and were made by `model`.
        `allow_changes`: also take rows that were changed, added or deleted after the handover.
        After an interruption, the same call continues. `progress`, `cancel`: as in `export_to`.
        Raises `InputError`, `DuplicateIdError`,
        `FingerprintError`, `VectorError`, `IndexLockedError`.

        >>> shop.export_to("there.faiss").count
        6
        >>> vecsim.Index.import_from("back", "there.faiss")
        <Index 'back': 6 images, phash (64 dimensions, ...)>
        """
        options = ImportOptions(ModelChoice(model), allow_changes=allow_changes, wait=wait)
        where = Place(str(place), table, columns or Columns())
        with counting(progress, cancel, "The import") as report:
            handover.import_from(Path(path), where, options, report)
        return cls.open(path)  # type: ignore[attr-defined, no-any-return]
