"""Stores the sketch of each segment. Sketches are derived data: deletable, and remade by writers.

`sketches/SEGMENT/` holds the arrays of one segment's sketch, each a `.npy` file that is mapped, the
axes they were made with, and the SHA-256 of each file. A segment never changes, so its sketch does
not either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from vecsim.contained import ContainedPath
from vecsim.contained.names import (
    is_segment_or_leftover,
    parse_segment_name,
    sketched_segment,
)
from vecsim.contained.writes import new_folder
from vecsim.errors import IndexDamagedError, MisplacedFileError
from vecsim.search.axes import AXES_SAMPLE, Axes, fit_axes, mean_squared_residual
from vecsim.search.sketch import LevelCodes, Sketch, make_sketch
from vecsim.segments import Segment, is_whole

# Segments with fewer vectors get no sketch: a plain search is fast enough, and small segments are
# merged soon.
MIN_VECTORS = 8_192

# The axes of another segment are used if their mean squared residual is at most this many times
# that of the segment's own axes, or exceeds it by at most this much.
MAX_RESIDUAL_RATIO = 1.05
MAX_RESIDUAL_EXCESS = 1e-4

# Vectors that are read from the mapped file at a time.
ROWS_AT_ONCE = 8_192

_CHECKSUMS = "sha256.json"
_AXES = "axes-"
_MAX_CHECKSUMS = 1 << 20  # bytes


class SketchStore:
    """The stored sketches of one index: of its segments, and of the orientations beside them."""

    def __init__(self, folder: ContainedPath) -> None:
        self._folder = folder
        self._mapped: dict[str, list[npt.NDArray[Any]]] = {}
        # By the checksums of their arrays: segments share axes, and codes of queries with them.
        self._axes: dict[tuple[str, ...], Axes] = {}

    def load(self, segment: Segment) -> Sketch | None:
        """Map the stored sketch of `segment`; None if there is none that fits."""
        folder = self._folder / segment.sketch_name
        try:
            checksums = _read_checksums(folder)
            names = [name for name in checksums if not name.startswith(_AXES)]
            mapped = {name: _map_array(folder / f"{name}.npy") for name in names}
            arrays = {name: np.asarray(array) for name, array in mapped.items()}
            sketch = Sketch.from_arrays(self._load_axes(folder, checksums), arrays)
        except MisplacedFileError:
            raise
        except Exception:  # NumPy raises many kinds of errors for a damaged file
            return None
        self._mapped[segment.sketch_name] = list(mapped.values())
        return sketch if _fits(sketch, segment) else None

    def is_whole(self, name: str) -> bool:
        """Return whether the files of a loaded sketch are as long as when they were mapped."""
        return all(map(is_whole, self._mapped[name]))

    def _load_axes(self, folder: ContainedPath, checksums: Mapping[str, str]) -> Axes:
        """Return the axes of the sketch in `folder`, one object for all sketches with equal axes.

        Raises ValueError if a file is damaged: with wrong axes the bound would be wrong, and new
        segments could get them too.
        """
        names = sorted(name for name in checksums if name.startswith(_AXES))
        key = tuple(checksums[name] for name in names)
        if key not in self._axes:
            arrays = {}
            for name in names:
                path = folder / f"{name}.npy"
                if _file_sha256(path) != checksums[name]:
                    raise ValueError(f"{path} is damaged")
                arrays[name.removeprefix(_AXES)] = np.array(_map_array(path))
            self._axes[key] = Axes.from_arrays(arrays)
        return self._axes[key]

    def _oldest_axes(self) -> Axes | None:
        """Return the axes of the first segment that has an undamaged sketch."""
        for folder, kind in self._folder.entries():
            if kind == "a folder" and parse_segment_name(folder.name):
                with suppress(Exception):  # damaged
                    return self._load_axes(folder, _read_checksums(folder))
        return None

    def store(self, segment: Segment) -> None:
        """Make and store the sketch of `segment`, if it is large enough and has none.

        Stores nothing on a full disk: the segment is then searched without a sketch, which is
        slower and gives the same result.
        """
        folder = self._folder / segment.sketch_name
        if len(segment) < MIN_VECTORS or folder.has_folder():
            return
        sketch = _make_sketch(segment, self._oldest_axes())
        arrays: dict[str, npt.NDArray[Any]] = dict(sketch.to_arrays())
        arrays |= {f"{_AXES}{name}": array for name, array in sketch.axes.to_arrays().items()}
        with suppress(OSError):
            self._folder.make_folder()
            with new_folder(folder) as temporary:
                checksums = {}
                for name, array in arrays.items():
                    path = temporary / f"{name}.npy"
                    with path.open("xb") as file:
                        np.save(file, array)
                    checksums[name] = _file_sha256(path)
                with (temporary / _CHECKSUMS).open("xb") as file:
                    file.write(json.dumps(checksums).encode())

    def sweep(self, names: Iterable[str]) -> None:
        """Delete all sketches but those of the segments called `names`, and beside them."""
        kept = set(names)
        for path, kind in self._folder.entries():
            wanted = sketched_segment(path.name) in kept
            if kind == "a folder" and not wanted and is_segment_or_leftover(path.name):
                self.drop(path.name)

    def problems(self, name: str) -> Iterator[ContainedPath]:
        """Yield the damaged files of the sketch of the segment called `name`."""
        folder = self._folder / name
        if not folder.has_folder():
            return
        try:
            checksums = _read_checksums(folder)
        except (OSError, ValueError, TypeError, RecursionError, IndexDamagedError):
            yield folder / _CHECKSUMS
            return
        files = {path.name for path in folder.files() if path.name.endswith(".npy")}
        if {f"{array}.npy" for array in checksums} != files:
            yield folder / _CHECKSUMS
            return
        for array, checksum in checksums.items():
            path = folder / f"{array}.npy"
            if _file_sha256(path) != checksum:
                yield path

    def drop(self, name: str) -> None:
        """Delete the sketch of the segment called `name`."""
        (self._folder / name).delete_folder()


def _make_sketch(segment: Segment, known: Axes | None) -> Sketch:
    """Make the sketch of a segment, reading it in parts: memory stays small, whatever its size.

    `known` axes are used if they fit nearly as well as the segment's own axes would: queries are
    encoded once for each set of axes.
    """
    step = max(1, len(segment) // AXES_SAMPLE)
    axes = fit_axes(np.concatenate([part[::step] for part in segment.parts(ROWS_AT_ONCE)]))
    if known is not None and known.dim == axes.dim:
        # Other rows than those the segment's own axes were fitted to, which they fit too well.
        parts = [part[step // 2 :: 4 * step] for part in segment.parts(ROWS_AT_ONCE)]
        sample = np.concatenate(parts)
        limit = MAX_RESIDUAL_RATIO * mean_squared_residual(axes, sample) + MAX_RESIDUAL_EXCESS
        if mean_squared_residual(known, sample) <= limit:
            axes = known
    sketches = [make_sketch(part, axes) for part in segment.parts(ROWS_AT_ONCE)]
    levels = [
        LevelCodes(
            np.concatenate([sketch.levels[number].codes for sketch in sketches]),
            np.concatenate([sketch.levels[number].offsets for sketch in sketches]),
        )
        for number in range(len(axes.levels))
    ]
    return Sketch(axes, tuple(levels))


def _fits(sketch: Sketch, segment: Segment) -> bool:
    """Return whether the arrays of a stored sketch have the shapes and types of one of `segment`.

    The compiled code that reads them checks neither.
    """
    count, dim = segment.vectors.shape
    return bool(sketch.levels) and all(
        axes.projection.shape == (dim, axes.code_count)
        and axes.projection.dtype == np.float32
        and level.codes.shape == (count, axes.code_count)
        and level.codes.dtype == np.int8
        and level.offsets.shape == (count,)
        and level.offsets.dtype == np.int32
        and all(each.flags.c_contiguous for each in (level.codes, level.offsets))
        for axes, level in zip(sketch.axes.levels, sketch.levels, strict=True)
    )


def _read_checksums(folder: ContainedPath) -> dict[str, str]:
    """Return the SHA-256 of each array of the sketch in `folder`, by its name.

    Raises OSError, ValueError, TypeError, RecursionError, `IndexDamagedError`.
    """
    checksums = dict(json.loads((folder / _CHECKSUMS).read_bytes(_MAX_CHECKSUMS)))
    if any(type(each) is not str for pair in checksums.items() for each in pair):
        raise ValueError(f"{folder} has other checksums than texts")
    return checksums


def _file_sha256(path: ContainedPath) -> str:
    with path.open() as file:
        return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


def _map_array(path: ContainedPath) -> npt.NDArray[Any]:
    """Map a `.npy` file of numbers, as `np.load` does for a path. Raises OSError, ValueError."""
    with path.open() as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = read[version](file)
        if dtype.kind not in "biuf":
            raise ValueError(f"{path} holds no numbers")
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.memmap(file, dtype, "r", file.tell(), shape, order)
