"""LanceDB: a table in a folder; what it holds is described in a second, small table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from vecsim.stores.arrow_rows import from_arrow, reading_arrow, schema_of, to_arrow
from vecsim.stores.rows import Batch, Manifest
from vecsim.stores.store import Place, extra, store_errors

_LIBRARY_ERRORS = (OSError, ValueError, RuntimeError)


class LanceStore:
    """One table of a LanceDB database, opened in this process."""

    is_database = True

    def __init__(self, place: Place) -> None:
        with extra("lancedb", place), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own imports
            import lancedb
            import pyarrow
        self._pa: Any = pyarrow
        self._place = place
        self._about = f"{place.table}_vecsim"
        self._schema: Any = None
        with self._errors():
            self._database: Any = lancedb.connect(place.address.removeprefix("lancedb:"))

    def manifest(self) -> Manifest | None:
        """Return the manifest from the second table, or None."""
        with self._errors():
            if not (self.occupied() and self._exists(self._about)):
                return None
            text = self._database.open_table(self._about).to_arrow()["manifest"][0].as_py()
        return Manifest.from_json(text, str(self._place))

    def occupied(self) -> bool:
        """Return whether the table exists."""
        return self._exists(self._place.table)

    def _clear(self) -> None:
        """Delete both tables."""
        with self._errors():
            for name in (self._about, self._place.table):
                if self._exists(name):
                    self._database.drop_table(name)

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Create the table if it does not exist; returns how many rows it has."""
        if anew:
            self._clear()
        self._schema = schema_of(manifest)
        with self._errors():
            if not self.occupied():
                self._database.create_table(self._place.table, schema=self._schema)
        self._describe(manifest)
        return self.count()

    def holds(self, key: int) -> bool:
        """Return whether a row has this key."""
        with self._errors():
            return bool(self._table().count_rows(f"key = {int(key)}"))

    def write(self, batch: Batch) -> None:
        """Add a version of the table with these rows."""
        with self._errors():
            self._table().add(to_arrow(batch, self._schema))

    def written(self) -> Iterator[Batch]:
        """Yield the rows of the table, read back."""
        return self.read(1 << 12)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self._describe(manifest)

    def count(self) -> int:
        """Return how many rows the table has."""
        with self._errors():
            return int(self._table().count_rows())

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the rows of the table in its own order, which is that of the keys."""
        columns = self._place.columns if self.manifest() is None else None
        with self._errors():
            batches = self._table().search().limit(self.count()).to_batches(size)
        with reading_arrow(self._place):
            yield from from_arrow(batches, str(self._place), columns)

    def close(self) -> None:
        """Let go of the database, which has nothing to close."""
        self._database = None

    def _table(self) -> Any:
        return self._database.open_table(self._place.table)

    def _exists(self, name: str) -> bool:
        try:
            self._database.open_table(name)
        except (ValueError, FileNotFoundError):
            return False
        return True

    def _describe(self, manifest: Manifest) -> None:
        with self._errors():
            if self._exists(self._about):  # "overwrite" warns where there is nothing
                self._database.drop_table(self._about)
            table = self._pa.table({"manifest": [manifest.to_json()]})
            self._database.create_table(self._about, table)

    def _errors(self) -> Any:
        return store_errors(self._place, *_LIBRARY_ERRORS)
