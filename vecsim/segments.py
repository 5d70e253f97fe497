"""Segment files: immutable FAISS indexes of unit vectors under the catalog's keys.

The only module that calls FAISS. A file is an `IndexIDMap2(IndexFlatIP)` as `faiss.write_index`
writes it, so any program with FAISS can read it. It is written and mapped here without FAISS, which
would hold all of it in memory to write it, and hash all its keys to open it.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim import system
from vecsim.contained import ContainedPath
from vecsim.contained.names import parse_segment_name
from vecsim.contained.writes import new_file
from vecsim.errors import IndexDamagedError
from vecsim.files import storage_errors
from vecsim.hints import Action, Hint
from vecsim.records import Float32, Int64, UInt8

# FAISS's layout of an `IndexIDMap2` around an `IndexFlatIP`, little-endian: two headers, the number
# of floats and the floats, the number of keys and the keys.
_HEADER = [
    ("dim", "<i4"),
    ("count", "<i8"),
    ("unused", "<i8", 2),
    ("trained", "u1"),
    ("metric", "<i4"),
]
_LAYOUT = np.dtype(
    [
        ("outer", "S4"),
        ("outer_header", np.dtype(_HEADER)),
        ("inner", "S4"),
        *_HEADER,
        ("floats", "<u8"),
    ]
)

# FAISS holds the result of one call in memory; few queries per call keep it small.
_QUERIES_PER_CALL = 256

# How the names of instruction sets begin among FAISS's compile options.
_KERNELS = ("AVX", "NEON", "SVE", "RVV", "ARM")

# Up to so many keys are looked up one by one. In the file the keys begin at an odd address, and
# NumPy copies an unaligned array as a whole to search it.
_MAX_SINGLE_LOOKUPS = 32


@dataclass(frozen=True, slots=True)
class Segment:
    """One open segment: `keys` int64 (n,) ascending, `vectors` float32 (n, dim), read-only.

    `propose(queries, threshold)`: FAISS's range search over the rows, which computes in float32 and
    compares strictly. `data`: all bytes of the file. `turned`: by the code of an orientation, the
    vectors of those images that have one in that orientation. The views stay valid when a merge
    deletes the file.
    """

    path: ContainedPath
    data: UInt8
    keys: Int64
    vectors: Float32
    propose: Callable[[Float32, float], tuple[Int64, Int64]]
    turned: Mapping[int, Segment] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def sketch_name(self) -> str:
        """The name of the sketch: that of the file or, of turned pictures, that of the segment that
        they are stored beside, with the orientation at the end.
        """
        beside = self.path.parts[-2] if len(self.path.parts) > 1 else ""
        if parse_segment_name(beside) is None:
            return self.name
        return f"{beside}.{self.name.removesuffix('.faiss')}"

    def check_size(self) -> None:
        """Check that the file has not been cut since it was opened: reading what was cut off would
        end the process. Raises `IndexDamagedError`.
        """
        if not is_whole(self.data):
            raise IndexDamagedError(
                f"{self.path}: was cut while it was open. Nothing may write to the files of an "
                f"index.",
                hint=Hint(Action.RESTORE_OR_REPAIR, path=self.path.root),
            )

    def parts(self, size: int) -> Iterator[Float32]:
        """Yield all vectors, `size` rows at a time; pages of earlier parts do not stay resident."""
        for start in range(0, len(self), size):
            yield self.vectors[start : start + size]
            mapping = getattr(self.data, "_mmap", None)
            if mapping is not None:
                system.forget_pages(mapping)

    def rows_of(self, keys: Int64) -> tuple[Int64, Int64]:
        """Find those of `keys` (ascending) that are here: (positions in `keys`, rows)."""
        self.check_size()
        # Each segment covers a range of keys of its own, so most keys are in another one.
        start = np.searchsorted(keys, self.keys[0])
        inside = keys[start : np.searchsorted(keys, self.keys[-1], side="right")]
        if len(inside) <= _MAX_SINGLE_LOOKUPS:
            rows = np.array([bisect_left(self.keys, key) for key in inside.tolist()], np.int64)
        else:
            rows = np.searchsorted(self.keys, inside)
        rows = np.minimum(rows, len(self) - 1)  # keys of a damaged file can be out of order
        found = np.flatnonzero(self.keys[rows] == inside)
        return start + found, rows[found]


def is_whole(array: npt.NDArray[Any]) -> bool:
    """Return whether the file of a mapped array is at least as long as when it was mapped."""
    mapping = getattr(array, "_mmap", None)
    return mapping is None or mapping.size() >= len(mapping)


def write_segment(
    path: ContainedPath, dim: int, count: int, parts: Iterable[tuple[Int64, Float32]]
) -> tuple[int, str]:
    """Write a durable file at `path`, complete or not at all.

    `parts`: keys int64 (n,), ascending throughout, and unit vectors float32 (n, dim); `count` rows
    in all, at least one. Each part is written when it arrives, so memory stays small.
    Returns the file's size in bytes and its SHA-256. Raises `StorageError`.
    """
    checksum = hashlib.sha256()
    with storage_errors(path.path, Hint(Action.MAKE_ROOM)), new_file(path) as file:

        def write(data: Any) -> None:
            checksum.update(data)
            file.write(data)

        write(_header(dim, count))
        all_keys = []
        for keys, vectors in parts:
            all_keys.append(keys)
            write(np.ascontiguousarray(vectors, np.float32))
        keys = np.concatenate(all_keys)
        if len(keys) != count:
            raise ValueError(f"{len(keys)} vectors were passed instead of {count}")
        write(np.uint64(count).tobytes())
        write(keys)
        size = file.tell()
    return size, checksum.hexdigest()


def _header(dim: int, count: int) -> bytes:
    head = np.zeros((), _LAYOUT)
    for place in (head, head["outer_header"]):
        place["dim"], place["count"], place["unused"] = dim, count, 1 << 20
        place["trained"] = 1
    head["outer"], head["inner"], head["floats"] = b"IxM2", b"IxFI", dim * count
    return head.tobytes()


def segment_size(vector_count: int, dim: int) -> int:
    """Return the size of a segment file in bytes."""
    return _LAYOUT.itemsize + vector_count * (4 * dim + 8) + 8


def vector_count_of_size(size: int, dim: int) -> int:
    """Return how many vectors a segment file of `size` bytes holds; 0 if none has that size."""
    count, rest = divmod(size - segment_size(0, dim), 4 * dim + 8)
    return count if rest == 0 and count > 0 else 0


def open_segment(path: ContainedPath, byte_count: int, vector_count: int, dim: int) -> Segment:
    """Map the file at `path`, in a time that does not depend on its size.

    `byte_count` and `vector_count`: as the catalog lists them. Raises FileNotFoundError (a merge
    may have just deleted the file), and `IndexDamagedError` if the file does not fit its listing.
    """
    hint = Hint(Action.RESTORE_OR_REPAIR, path=path.root)
    with path.open() as file:
        size = os.fstat(file.fileno()).st_size
        if size != byte_count or size != segment_size(vector_count, dim):
            raise IndexDamagedError(
                f"{path}: damaged: {size:,} bytes where the catalog says {byte_count:,}.", hint=hint
            )
        data = np.memmap(file, np.uint8, mode="r")
    head = data[: _LAYOUT.itemsize].view(_LAYOUT)[0]
    keys_at = _LAYOUT.itemsize + 4 * dim * vector_count
    found = [head[name].item() for name in ("outer", "inner", "dim", "count", "floats")]
    found.append(data[keys_at : keys_at + 8].view(np.int64)[0].item())
    if found != [b"IxM2", b"IxFI", dim, vector_count, dim * vector_count, vector_count]:
        raise IndexDamagedError(
            f"{path}: damaged: its header is not that of {vector_count:,} vectors of {dim} "
            f"dimensions.",
            hint=hint,
        )
    vectors = data[_LAYOUT.itemsize : keys_at].view(np.float32).reshape(vector_count, dim)
    keys = data[keys_at + 8 :].view(np.int64)
    return Segment(path, data, keys, vectors, _FlatRangeSearch(vectors))


def segment_sha256(segment: Segment) -> str:
    """Return the SHA-256 of the whole file, as it is mapped."""
    return hashlib.sha256(segment.data.data).hexdigest()


def faiss_kernels() -> list[str]:
    """Return the instruction sets FAISS was compiled for, such as AVX2. Raises ImportError."""
    import faiss

    return [word for word in faiss.get_compile_options().split() if word.startswith(_KERNELS)]


class _FlatRangeSearch:
    """FAISS's flat range search over mapped vectors, without copying them."""

    def __init__(self, vectors: Float32) -> None:
        self._vectors = vectors

    def __call__(self, queries: Float32, threshold: float) -> tuple[Int64, Int64]:
        import faiss

        # `IndexFlatIP.range_search` calls this function on a copy of the vectors.
        count, dim = self._vectors.shape
        found_queries, found_rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start in range(0, len(queries), _QUERIES_PER_CALL):
            part = np.ascontiguousarray(queries[start : start + _QUERIES_PER_CALL])
            result = faiss.RangeSearchResult(len(part))
            faiss.range_search_inner_product(
                faiss.swig_ptr(part),
                faiss.cast_integer_to_float_ptr(self._vectors.ctypes.data),
                dim,
                len(part),
                count,
                threshold,
                result,
            )
            limits = faiss.rev_swig_ptr(result.lims, len(part) + 1).astype(np.int64)
            found_rows.append(faiss.rev_swig_ptr(result.labels, int(limits[-1])).copy())
            found_queries.append(np.repeat(np.arange(start, start + len(part)), np.diff(limits)))
        return np.concatenate(found_queries), np.concatenate(found_rows)
