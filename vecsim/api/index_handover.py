"""Handing an index over to files and databases, and taking it back: a part of `Index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
        self, place: str | Path, *, table: str = TABLE, overwrite: bool = False
    ) -> Handover:
        """Hand vectors, ids, URLs, fields and facts over to a file or database, and read them back.

        `place`: FILE.parquet, FILE.faiss, lancedb:FOLDER, qdrant:FOLDER, qdrant:http://HOST:6333 or
        postgresql://HOST/DATABASE. `table`: the table or collection of a database. `overwrite`:
        replace what is there. After an interruption, the same call continues; to a database,
        it adds what is new in the index. Raises `StorageError`, `UsageError`, `MissingExtraError`.
        """
        return handover.export_to(self.path, Place(str(place), table), overwrite=overwrite)

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
        wait: bool = False,
    ) -> Self:
        """Make or extend the index at `path` from what `export_to` wrote to `place`.

        Also a table of another program, whose `columns` are named and were made by `model`.
        `allow_changes`: also take rows that were changed, added or deleted after the handover.
        After an interruption, the same call continues. Raises `InputError`, `DuplicateIdError`,
        `FingerprintError`, `VectorError`, `IndexLockedError`.
        """
        options = ImportOptions(ModelChoice(model), allow_changes=allow_changes, wait=wait)
        where = Place(str(place), table, columns or Columns())
        handover.import_from(Path(path), where, options)
        return cls.open(path)  # type: ignore[attr-defined, no-any-return]
