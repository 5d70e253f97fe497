"""Files of vectors: `.npy`, and `.h5` with a dataset, which may be untrusted."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.errors import InputError, UsageError

_DATASET = "data"  # the predecessor's name

# A file of vectors whose parts are all there is hardly smaller than they are; above this many times
# its size, most of what it claims is not in it.
_LARGEST_RATIO = 100


@contextmanager
def open_vectors(path: Path) -> Iterator[Any]:
    """Yield what the vectors of a file can be read from, with its `shape`; nothing is read yet.

    Raises `InputError` for a file that is no array of numbers of two dimensions by itself.
    """
    with ExitStack() as opened:
        with _reading_errors(path):
            if not path.is_file():
                raise InputError(f"no such file: {path}")
            if path.suffix.lower() == ".npy":
                vectors: Any = np.load(path, mmap_mode="r", allow_pickle=False)
                _check_array(path, vectors)
            else:
                import h5py

                vectors = _checked_dataset(path, opened.enter_context(h5py.File(path, "r")))
        yield vectors


def read_vectors(path: Path, opened: Any) -> npt.NDArray[Any]:
    """Return the vectors of a file that `open_vectors` opened. Raises `InputError`."""
    with _reading_errors(path):
        return opened if isinstance(opened, np.ndarray) else np.array(opened)


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a file of vectors: neither .npy nor .h5 with a dataset {_DATASET!r} "
            f"({error})."
        ) from error


def _check_array(path: Path, vectors: Any) -> None:
    if vectors.ndim != 2:
        raise InputError(f"{path}: holds an array of the shape {vectors.shape}, not (n, dim).")
    if vectors.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds values of the type {vectors.dtype}, not numbers.")


def _checked_dataset(path: Path, file: Any) -> Any:
    """Return the dataset of an open `.h5` file, if its numbers are all in this file.

    HDF5 would also read them from other files that the file names, and fill in what is not there:
    an untrusted file could take up any memory, or copy other files into an index.
    """
    import h5py

    if not isinstance(file.get(_DATASET, getlink=True), h5py.HardLink):
        raise InputError(f"{path}: has no dataset {_DATASET!r} of its own, only a link or none.")
    data = file[_DATASET]
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{path}: {_DATASET!r} is no dataset.")
    if data.is_virtual or data.external:
        raise InputError(f"{path}: takes its numbers from other files. Copy them into one file.")
    _check_array(path, data)
    claimed = max(data.nbytes, data.dtype.itemsize * math.prod(data.chunks or (0,)))
    if claimed > _LARGEST_RATIO * path.stat().st_size:
        raise InputError(
            f"{path}: claims {claimed:,} bytes of numbers, in a file of "
            f"{path.stat().st_size:,} bytes."
        )
    if data.chunks:
        _check_chunks(path, data)
    return data


def _check_chunks(path: Path, data: Any) -> None:
    """Check that each compressed part has the size that the file says: zlib gives any size."""
    from h5py import h5z

    properties = data.id.get_create_plist()
    filters = [properties.get_filter(n)[0] for n in range(properties.get_nfilters())]
    known = {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_DEFLATE, h5z.FILTER_LZF}
    if not known.issuperset(filters) or len(set(filters)) < len(filters):
        raise InputError(f"{path}: compressed in an unusual way. Write it again with gzip.")
    if h5z.FILTER_DEFLATE not in filters:
        return
    size = data.dtype.itemsize * math.prod(data.chunks)
    for number in range(data.id.get_num_chunks()):
        skipped, packed = data.id.read_direct_chunk(data.id.get_chunk_info(number).chunk_offset)
        if not skipped and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
            raise InputError(f"{path}: a part of it is larger than the file says.")


@contextmanager
def writable_rows(path: Path, part: Path, shape: tuple[int, int]) -> Iterator[Any]:
    """Yield an array-like to assign rows of float32 to, stored in the format of `path`'s suffix."""
    import h5py

    suffix = path.suffix.lower()
    if suffix == ".npy":
        # An empty array cannot be memory-mapped.
        if not shape[0]:
            with part.open("wb") as empty:
                np.save(empty, np.empty(shape, np.float32))
            yield np.empty(shape, np.float32)
            return
        rows = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=shape)
        yield rows
        rows.flush()
    elif suffix in (".h5", ".hdf5"):
        with h5py.File(part, "w") as file:
            yield file.create_dataset(_DATASET, shape=shape, dtype=np.float32)
    else:
        raise UsageError(f"{path}: the file of vectors must end in .h5 or .npy.")
