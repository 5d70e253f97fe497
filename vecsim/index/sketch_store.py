"""Stores the sketch of each segment. Sketches are derived data: deletable, and remade by writers.

`sketches/SEGMENT/` holds the arrays of one segment's sketch, each a `.npy` file that is mapped, the
axes they were made with, and the SHA-256 of each file. A segment never changes, so its sketch does
not either.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.files import new_folder
from vecsim.search.axes import AXES_SAMPLE, Axes, fit_axes, mean_squared_residual
from vecsim.search.sketch import LevelCodes, Sketch, make_sketch
from vecsim.segments import Segment

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


class SketchStore:
    """The stored sketches of one index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By the checksums of their arrays: segments share axes, and codes of queries with them.
        self._axes: dict[tuple[str, ...], Axes] = {}

    def load(self, segment: Segment) -> Sketch | None:
        """Map the stored sketch of `segment`; None if there is none that fits."""
        folder = self._folder / segment.name
        try:
            checksums = _read_checksums(folder)
            arrays = {
                name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
                for name in checksums
                if not name.startswith(_AXES)
            }
            sketch = Sketch.from_arrays(self._load_axes(folder, checksums), arrays)
        except Exception:  # NumPy raises many kinds of errors for a damaged file
            return None
        if not sketch.levels or sketch.axes.dim != segment.vectors.shape[1]:
            return None
        lengths = {len(array) for level in sketch.levels for array in (level.codes, level.offsets)}
        return sketch if lengths == {len(segment)} else None

    def _load_axes(self, folder: Path, checksums: Mapping[str, str]) -> Axes:
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
                arrays[name.removeprefix(_AXES)] = np.load(path)
            self._axes[key] = Axes.from_arrays(arrays)
        return self._axes[key]

    def _oldest_axes(self) -> Axes | None:
        """Return the axes of the first segment that has an undamaged sketch."""
        if self._folder.is_dir():
            for folder in sorted(self._folder.iterdir()):
                with suppress(Exception):  # damaged
                    return self._load_axes(folder, _read_checksums(folder))
        return None

    def store(self, segment: Segment) -> None:
        """Make and store the sketch of `segment`, if it is large enough and has none.

        Stores nothing on a full disk: the segment is then searched without a sketch, which is
        slower and gives the same result.
        """
        folder = self._folder / segment.name
        if len(segment) < MIN_VECTORS or folder.exists():
            return
        sketch = _make_sketch(segment, self._oldest_axes())
        arrays: dict[str, npt.NDArray[Any]] = dict(sketch.to_arrays())
        arrays |= {f"{_AXES}{name}": array for name, array in sketch.axes.to_arrays().items()}
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            with new_folder(folder) as temporary:
                checksums = {}
                for name, array in arrays.items():
                    path = temporary / f"{name}.npy"
                    np.save(path, array)
                    checksums[name] = _file_sha256(path)
                (temporary / _CHECKSUMS).write_text(json.dumps(checksums))

    def sweep(self, names: Iterable[str]) -> None:
        """Delete all sketches but those of the segments called `names`."""
        kept = set(names)
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in kept:
                    self.drop(path.name)

    def problems(self, name: str) -> Iterator[Path]:
        """Yield the damaged files of the sketch of the segment called `name`."""
        folder = self._folder / name
        if not folder.exists():
            return
        try:
            checksums = _read_checksums(folder)
        except (OSError, ValueError, TypeError):
            yield folder / _CHECKSUMS
            return
        if checksums.keys() != {path.stem for path in folder.glob("*.npy")}:
            yield folder / _CHECKSUMS
            return
        for array, checksum in checksums.items():
            path = folder / f"{array}.npy"
            if not path.is_file() or _file_sha256(path) != checksum:
                yield path

    def drop(self, name: str) -> None:
        """Delete the sketch of the segment called `name`."""
        shutil.rmtree(self._folder / name, ignore_errors=True)


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


def _read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each array of the sketch in `folder`, by its name."""
    return dict(json.loads((folder / _CHECKSUMS).read_text()))


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
