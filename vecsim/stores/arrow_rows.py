"""Rows as Arrow tables: vectors as lists of a fixed size, fields as a struct of texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from vecsim.errors import InputError
from vecsim.records import Float32
from vecsim.stores.rows import FACTS, NUMBERS, Batch, Columns, Manifest, batch_of_rows


def schema_of(manifest: Manifest) -> Any:
    """Return the Arrow schema of handed over rows, with the manifest in its metadata."""
    import pyarrow as pa

    columns = [("key", pa.int64()), ("id", pa.string()), ("url", pa.string())]
    columns.append(("vector", pa.list_(pa.float32(), manifest.fingerprint.dim)))
    if manifest.field_names:  # Parquet has no empty structs
        fields = pa.struct([(name, pa.string()) for name in manifest.field_names])
        columns.append(("fields", fields))
    columns += [(name, pa.int64() if name in NUMBERS else pa.string()) for name in FACTS]
    columns.append(("checksum", pa.int64()))
    return pa.schema(columns, metadata={"vecsim": manifest.to_json()})


def manifest_of(schema: Any, place: str) -> Manifest | None:
    """Return the manifest in the metadata of an Arrow schema, or None."""
    text = (schema.metadata or {}).get(b"vecsim")
    return None if text is None else Manifest.from_json(text, place)


def to_arrow(batch: Batch, schema: Any) -> Any:
    """Return a batch as a table of `schema`."""
    import pyarrow as pa

    dim = schema.field("vector").type.list_size
    rows = [*batch.rows()]
    arrays = {
        name: pa.array([row[name] for row in rows], type=schema.field(name).type)
        for name in schema.names
        if name != "vector"
    }
    # Vectors of a memory-mapped segment may begin at any byte; LanceDB needs aligned ones.
    aligned = np.require(batch.vectors, np.float32, ["C", "ALIGNED"])
    flat = pa.array(aligned.ravel())
    arrays["vector"] = pa.FixedSizeListArray.from_arrays(flat, dim)
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def from_arrow(batches: Iterator[Any], place: str, columns: Columns | None) -> Iterator[Batch]:
    """Yield Arrow record batches as batches. `columns`: as for `batch_of_rows`."""
    vector = columns.vector if columns is not None else "vector"
    for batch in batches:
        if vector not in batch.schema.names:
            raise InputError(
                f"{place}: has no column {vector!r} for the vectors; its columns are "
                f"{', '.join(batch.schema.names)}."
            )
        vectors = _vectors(batch.column(vector), place)
        others = batch.drop_columns([vector])
        yield batch_of_rows(others.to_pylist(), vectors, place, columns)


def _vectors(column: Any, place: str) -> Float32:
    """Return a column of lists of numbers, all of one length, as float32 (n, dim)."""
    import pyarrow as pa

    nested = pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type)
    if not (nested or pa.types.is_large_list(column.type)) or column.null_count:
        raise InputError(f"{place}: the column of vectors must hold lists of numbers.")
    if pa.types.is_fixed_size_list(column.type):
        dim = column.type.list_size
    else:
        lengths: Sequence[int] = column.value_lengths().unique().to_pylist()
        if len(lengths) > 1:
            raise InputError(f"{place}: the vectors have different lengths: {lengths[:5]}.")
        dim = lengths[0] if lengths else 0
    values = column.flatten()
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise InputError(f"{place}: the column of vectors must hold lists of numbers.")
    found = values.to_numpy(zero_copy_only=False).reshape(len(column), dim)
    return np.asarray(found, np.float32)


@contextmanager
def reading_arrow(place: object) -> Iterator[None]:
    """Turn Arrow's errors about a file into `InputError`."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{place}: cannot be read: {error}") from error
