"""Parquet files: one list of a fixed size for each vector, which any Arrow program reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vecsim.errors import InputError
from vecsim.files import new_output
from vecsim.stores.arrow_rows import from_arrow, manifest_of, reading_arrow, schema_of, to_arrow
from vecsim.stores.parts import Parts
from vecsim.stores.rows import Batch, Manifest
from vecsim.stores.store import Place, extra, store_errors


class ParquetStore:
    """One Parquet file; its rows are collected in parts first."""

    is_database = False

    def __init__(self, place: Place) -> None:
        with extra("parquet", place):
            import pyarrow
            import pyarrow.parquet
        self._pa: Any = pyarrow
        self._place = place
        self._path = Path(place.address)
        self._parts = Parts(self._path, ".parquet")
        self._schema: Any = None

    def manifest(self) -> Manifest | None:
        """Return the manifest of the complete file, else that of the parts, or None."""
        if not self._path.exists():
            return self._parts.manifest()
        with self._opened() as file:
            return manifest_of(file.schema_arrow, str(self._place))

    def occupied(self) -> bool:
        """Return whether the file exists."""
        return self._path.exists()

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Count the rows in parts; a complete file is written anew."""
        with store_errors(self._place, OSError):
            self._schema = schema_of(manifest)
            self._parts.begin(manifest, anew=anew)
            return self._parts.count()

    def holds(self, key: int) -> bool:
        """Return whether `key` is the last one in the parts."""
        return self._parts.last_key() == key

    def write(self, batch: Batch) -> None:
        """Add a part."""
        table = to_arrow(batch, self._schema)
        with store_errors(self._place, OSError):
            self._parts.add(
                len(batch),
                batch.keys[-1],
                lambda path: self._pa.parquet.write_table(table, path, row_group_size=len(batch)),
            )

    def written(self) -> Iterator[Batch]:
        """Yield the parts, read back."""
        for part in self._parts:
            yield from self._read(part, 1 << 14, foreign=False)

    def finish(self, manifest: Manifest) -> None:
        """Join the parts to the file, which replaces an earlier one."""
        pq = self._pa.parquet
        schema = schema_of(manifest)
        with store_errors(self._place, OSError):
            with (
                new_output(self._path) as temporary,
                pq.ParquetWriter(temporary, schema) as writer,
            ):
                for part in self._parts:
                    writer.write_table(pq.read_table(part).replace_schema_metadata(schema.metadata))
            self._parts.remove()

    def count(self) -> int:
        """Return how many rows the file says that it holds."""
        with self._opened() as file:
            return int(file.metadata.num_rows)

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the rows of the file."""
        yield from self._read(self._path, size, foreign=self.manifest() is None)

    def close(self) -> None:
        """Do nothing: files are opened for as long as they are read."""

    def _read(self, path: Path, size: int, *, foreign: bool) -> Iterator[Batch]:
        columns = self._place.columns if foreign else None
        with self._opened(path) as file, reading_arrow(self._place):
            yield from from_arrow(file.iter_batches(size), str(self._place), columns)

    def _opened(self, path: Path | None = None) -> Any:
        if not (path or self._path).is_file():
            raise InputError(f"no such file: {self._place}")
        with reading_arrow(self._place):
            return self._pa.parquet.ParquetFile(path or self._path)
