"""Rows as Parquet; imports pyarrow, which the extra `vecsim[parquet]` installs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, BinaryIO

from vecsim.errors import MissingExtraError
from vecsim.render.columns import Column, Row, Value

ROWS_PER_GROUP = 65_536


class ParquetWriter:
    """A Parquet file written in groups of rows, so that memory does not grow with the result.

    Raises `MissingExtraError` without pyarrow.
    """

    def __init__(self, stream: BinaryIO, columns: Sequence[Column]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingExtraError(
                "Parquet needs pyarrow, which is not installed: pip install 'vecsim[parquet]'"
            ) from error
        types = {
            "text": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "score": pyarrow.float64(),
        }
        self._arrow: Any = pyarrow
        self._is_text = [column.kind == "text" for column in columns]
        self._schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
        self._writer = pyarrow.parquet.ParquetWriter(stream, self._schema)
        self._pending: list[Row] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows; those of an incomplete group are held back."""
        source = iter(rows)
        while batch := list(islice(source, ROWS_PER_GROUP - len(self._pending))):
            self._pending += batch
            if len(self._pending) == ROWS_PER_GROUP:
                self._write_group()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._pending:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        arrays = [
            self._arrow.array(
                [_text(row[position]) for row in self._pending]
                if is_text
                else [row[position] for row in self._pending],
                type=self._schema.field(position).type,
            )
            for position, is_text in enumerate(self._is_text)
        ]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        self._pending = []


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
