"""Embeds images into a file of vectors, without an index."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from vecsim.engines.engine import Job, open_engine
from vecsim.errors import MissingExtraError, StorageError, UsageError
from vecsim.files import new_output, storage_errors, temporary_errors
from vecsim.operations.building import load_chosen_model
from vecsim.operations.chunk import count_failure
from vecsim.operations.requests import RunOptions
from vecsim.operations.vector_files import writable_rows
from vecsim.records import AddReport, Embedded, Failure, Float32, ImageRef
from vecsim.sources import unique_names

_ROWS = 4_096
"""Rows that are copied at once."""

_OWN = ("id", "url")
"""Columns before those of the carried fields."""


@dataclass(frozen=True, slots=True)
class VectorOutput:
    """A file for vectors: Parquet, with ids, URLs and fields, or `.npy` with a CSV beside it.

    Raises `UsageError` for another suffix, `StorageError` where there is no such folder,
    `MissingExtraError` for Parquet without pyarrow.
    """

    path: Path

    def __post_init__(self) -> None:
        suffix = self.path.suffix.lower()
        if suffix not in (".npy", ".parquet"):
            raise UsageError(f"{self.path}: the file of vectors must end in .npy or .parquet.")
        if not self.path.parent.is_dir():
            raise StorageError(f"{self.path}: cannot be written: there is no such folder.")
        if suffix == ".parquet":
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError as error:
                raise MissingExtraError(
                    "Parquet needs pyarrow, which is not installed: pip install 'vecsim[parquet]'"
                ) from error

    @property
    def list_path(self) -> Path | None:
        """The CSV of ids, URLs and fields: FILE.ids.csv beside FILE.npy; None for Parquet."""
        is_parquet = self.path.suffix.lower() == ".parquet"
        return None if is_parquet else self.path.with_name(f"{self.path.stem}.ids.csv")

    @property
    def files(self) -> list[Path]:
        """All files that are written."""
        return [path for path in (self.path, self.list_path) if path is not None]


def embed_to_file(
    refs: Iterable[ImageRef],
    output: VectorOutput,
    options: RunOptions,
    failed: Callable[[Failure], None] = lambda failure: None,
) -> AddReport:
    """Write the vectors of images, float32 (n, dim), rows of length 1, in the order of `refs`.

    An image that cannot be loaded has no row; `failed` is called with it. Nothing is stored but the
    files of `output`, which appear complete or not at all: not if `options.stop` is set before the
    end. Memory is bounded. Raises `InputError`, `ModelError`, `StorageError`.
    """
    embedder = load_chosen_model(options.model, options.work)
    job = Job(
        embedder,
        options.model.weights,
        options.work,
        find_embedding=lambda sha256: None,
        find_facts=lambda ref: None,
        thumbnails=False,
    )
    report = AddReport()
    with ExitStack() as opened:
        rows = opened.enter_context(_Rows(embedder.fingerprint.dim))
        outcomes = opened.enter_context(open_engine(options.work.engine).embedding(job))
        for outcome in outcomes.run(refs, options.stop):
            if isinstance(outcome, Embedded):
                rows.add(outcome)
                report.added += 1
            elif outcome is not None:
                count_failure(report, outcome)
                failed(outcome)
            options.progress(report)
        report.interrupted = options.stopped
        if not report.interrupted:
            _write(rows, output)
    return report


def _write(rows: _Rows, output: VectorOutput) -> None:
    if output.list_path is None:
        _write_parquet(rows, output.path)
    else:
        _write_npy(rows, output.path, output.list_path)


@dataclass(slots=True)
class _Rows:
    """Rows that wait in temporary files until their number and their fields are known."""

    dim: int
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)
    """The names of all carried fields, in the order in which they came."""
    _vectors: IO[bytes] = field(init=False)
    _refs: IO[str] = field(init=False)

    def __enter__(self) -> _Rows:
        with temporary_errors():
            self._vectors = TemporaryFile()
            self._refs = TemporaryFile("w+", encoding="utf-8", errors="surrogatepass")
        return self

    def __exit__(self, *exception: object) -> None:
        self._vectors.close()
        self._refs.close()

    def add(self, image: Embedded) -> None:
        """Add one row. Raises `StorageError`."""
        fields = dict(image.ref.fields)
        text = json.dumps([image.ref.id, image.ref.url, fields])
        with storage_errors(Path("the folder for temporary files")):
            self._vectors.write(np.ascontiguousarray(image.vector, "<f4").data)
            self._refs.write(f"{text}\n")
        self.names |= dict.fromkeys(fields)
        self.count += 1

    def blocks(self) -> Iterator[tuple[list[list[Any]], Float32]]:
        """Yield the rows in blocks: [id, URL, fields] of each, and vectors, float32 (n, dim)."""
        self._vectors.seek(0)
        self._refs.seek(0)
        while lines := list(islice(self._refs, _ROWS)):
            data = self._vectors.read(len(lines) * self.dim * 4)
            vectors = np.frombuffer(data, "<f4").reshape(len(lines), self.dim)
            yield [json.loads(line) for line in lines], np.asarray(vectors, np.float32)

    def cells(self, refs: Sequence[list[Any]]) -> Iterator[list[str | None]]:
        """Yield id, URL and the value of each carried field, None where a row lacks it."""
        for image_id, url, fields in refs:
            yield [image_id, url, *(fields.get(name) for name in self.names)]


def _write_npy(rows: _Rows, path: Path, list_path: Path) -> None:
    """Write the vectors and, beside them, a CSV with one row for each of them."""
    with (
        storage_errors(path),
        new_output(path) as part,
        storage_errors(list_path),
        new_output(list_path) as list_part,
        list_part.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_headings(rows))
        with writable_rows(path, part, (rows.count, rows.dim)) as array:
            start = 0
            for refs, vectors in rows.blocks():
                array[start : start + len(vectors)] = vectors
                start += len(vectors)
                writer.writerows(rows.cells(refs))
            del array  # Windows renames no file that is mapped


def _write_parquet(rows: _Rows, path: Path) -> None:
    """Write the columns id, url, vector (a list of a fixed size) and one for each field."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = _headings(rows)
    vector_name = "vector"
    kinds = [(name, pa.string()) for name in names]
    kinds.insert(len(_OWN), (vector_name, pa.list_(pa.float32(), rows.dim)))
    schema = pa.schema(kinds)
    with (
        storage_errors(path),
        new_output(path) as part,
        pq.ParquetWriter(part, schema) as writer,
    ):
        for refs, vectors in rows.blocks():
            columns = [
                pa.array(cells, pa.string()) for cells in zip(*rows.cells(refs), strict=True)
            ]
            flat = pa.array(vectors.ravel())
            columns.insert(len(_OWN), pa.FixedSizeListArray.from_arrays(flat, rows.dim))
            writer.write_table(pa.table(columns, schema=schema))


def _headings(rows: _Rows) -> list[str]:
    """Return the names of the columns; a field with the name of vecsim's own gets another one."""
    taken = [*_OWN, "vector"]
    names = unique_names([*taken, *rows.names])
    return [*_OWN, *names[len(taken) :]]
