"""A plain FAISS file: an `IndexFlatIP`, which any program with FAISS reads, and the rows beside it.

`shop.faiss` holds the vectors; line n of `shop.faiss.jsonl` is the row of vector n, with its id;
`shop.faiss.json` says what they are. FAISS itself would hold all vectors in memory to write them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import InputError
from vecsim.files import new_file, new_output
from vecsim.records import Float32
from vecsim.stores.parts import Parts
from vecsim.stores.rows import Batch, Manifest, batch_of_rows
from vecsim.stores.store import Place, store_errors

# FAISS's layout of an `IndexFlatIP`, little-endian: its header, the number of floats, the floats.
_HEADER = np.dtype(
    [
        ("kind", "S4"),
        ("dim", "<i4"),
        ("count", "<i8"),
        ("unused", "<i8", 2),
        ("trained", "u1"),
        ("metric", "<i4"),
        ("floats", "<u8"),
    ]
)
_FLAT = {b"IxFI": 0, b"IxF2": 1}  # of inner products, of distances: the numbers of their metrics
_LARGEST_LINE = 1 << 24


class FaissStore:
    """A file of vectors and two neighbours; collected in parts first."""

    is_database = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = Path(place.address)
        self._lines = self._path.with_name(f"{self._path.name}.jsonl")
        self._about = self._path.with_name(f"{self._path.name}.json")
        self._parts = Parts(self._path, ".jsonl")
        self._dim = 0

    def manifest(self) -> Manifest | None:
        """Return the manifest beside the complete file, else that of the parts, or None."""
        if not (self._path.exists() and self._about.is_file()):
            return self._parts.manifest()
        with store_errors(self._place, OSError):
            return Manifest.from_json(self._about.read_bytes(), str(self._place))

    def occupied(self) -> bool:
        """Return whether one of the three files exists."""
        return any(path.exists() for path in (self._path, self._lines, self._about))

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Count the rows in parts; complete files are written anew."""
        self._dim = manifest.fingerprint.dim
        with store_errors(self._place, OSError):
            self._parts.begin(manifest, anew=anew)
            return self._parts.count()

    def holds(self, key: int) -> bool:
        """Return whether `key` is the last one in the parts."""
        return self._parts.last_key() == key

    def write(self, batch: Batch) -> None:
        """Add a part: a file of rows, and before it one of their vectors."""

        def write(path: Path) -> None:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in batch.rows())

        number = sum(1 for _ in self._parts)
        with store_errors(self._place, OSError):
            with new_file(self._vectors_of(number)) as file:
                file.write(np.ascontiguousarray(batch.vectors, "<f4").data)
            self._parts.add(len(batch), batch.keys[-1], write)

    def written(self) -> Iterator[Batch]:
        """Yield the parts, read back."""
        for number, part in enumerate(self._parts):
            with store_errors(self._place, OSError):
                rows = [json.loads(line) for line in part.read_text("utf-8").splitlines()]
                vectors = np.fromfile(self._vectors_of(number), "<f4").reshape(-1, self._dim)
            yield batch_of_rows(rows, vectors, str(self._place), None)

    def finish(self, manifest: Manifest) -> None:
        """Join the parts to the files, which replace earlier ones; `….json` is the last."""
        head = np.zeros((), _HEADER)
        head["kind"], head["dim"], head["count"] = b"IxFI", self._dim, manifest.count
        head["unused"], head["trained"], head["floats"] = 1 << 20, 1, self._dim * manifest.count
        with store_errors(self._place, OSError):
            self._about.unlink(missing_ok=True)
            with new_output(self._path) as target, target.open("wb") as file:
                file.write(head.tobytes())
                for number, _ in enumerate(self._parts):
                    with self._vectors_of(number).open("rb") as part:
                        shutil.copyfileobj(part, file, 1 << 20)
            with new_output(self._lines) as target, target.open("wb") as file:
                for path in self._parts:
                    with path.open("rb") as part:
                        shutil.copyfileobj(part, file, 1 << 20)
            with new_file(self._about) as file:
                file.write(manifest.to_json().encode())
            self._parts.remove()

    def count(self) -> int:
        """Return how many vectors the file has."""
        return len(self._vectors())

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the vectors with their rows; without `….jsonl` the ids are 0, 1, 2, …."""
        vectors = self._vectors()
        columns = self._place.columns if self.manifest() is None else None
        with ExitStack() as opened:
            rows: Iterator[Any] = ({"id": number} for number in range(len(vectors)))
            if self._lines.is_file():
                rows = _rows(opened.enter_context(self._lines.open("rb")), str(self._lines))
            for start in range(0, len(vectors), size):
                part = np.array(vectors[start : start + size])
                read = [*islice(rows, len(part))]
                if len(read) < len(part):
                    raise InputError(
                        f"{self._lines}: has {start + len(read):,} lines, but {self._place} "
                        f"{len(vectors):,} vectors."
                    )
                yield batch_of_rows(read, part, str(self._place), columns)
            if next(rows, None) is not None:
                raise InputError(f"{self._lines}: has more lines than {self._place} has vectors.")

    def close(self) -> None:
        """Do nothing: files are opened for as long as they are read."""

    def _vectors_of(self, number: int) -> Path:
        return self._parts.folder / f"vectors-{number:08}.f32"

    def _vectors(self) -> Float32:
        """Map the vectors of the file. Raises `InputError` unless it is a flat index."""
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                head = np.frombuffer(file.read(_HEADER.itemsize), _HEADER)[0]
        except FileNotFoundError as error:
            raise InputError(f"no such file: {self._place}") from error
        except (OSError, ValueError, IndexError) as error:
            raise InputError(f"{self._place}: is no FAISS file: {error}") from error
        kind, dim, count = bytes(head["kind"]), int(head["dim"]), int(head["count"])
        if kind not in _FLAT or int(head["metric"]) != _FLAT[kind]:
            raise InputError(
                f"{self._place}: is no flat FAISS index (IndexFlatIP, IndexFlatL2): other kinds do "
                f"not hold the vectors as they were given."
            )
        if dim < 1 or size != _HEADER.itemsize + 4 * dim * count or head["floats"] != dim * count:
            raise InputError(f"{self._place}: has {size:,} bytes, which do not fit its header.")
        if not count:  # an empty array cannot be mapped
            return np.empty((0, dim), np.float32)
        mapped = np.memmap(self._path, "<f4", "r", _HEADER.itemsize, (count, dim))
        return mapped.view(np.ndarray)


def _rows(file: Any, place: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON lines. Raises `InputError`."""
    number = 0
    while line := file.readline(_LARGEST_LINE):
        number += 1
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{place}: line {number} cannot be read: {error}.") from error
        if not isinstance(row, dict):
            raise InputError(f"{place}: line {number} is no JSON object.")
        yield row
