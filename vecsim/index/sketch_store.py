"""Sketches kept beside the segments they are of: derived, so deletable, and made again by writers.

`sketches/SEGMENT/` holds the arrays of one segment's sketch, each a `.npy` file that is mapped, and
the axes they were made with. A segment never changes, so neither does its sketch.
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
from vecsim.search.axes import SAMPLE, Axes, make_axes, unseen
from vecsim.search.sketch import Rows, Sketch, make_sketch
from vecsim.segments import Segment

# Below this many vectors a plain search is fast enough, and small segments soon are merged.
LEAST_VECTORS = 8_192

# Axes serve nearly as well as others if they leave out so much at most: a share, or so little.
NEARLY = 1.05
LITTLE = 1e-4

# Vectors that are read from the mapped file at a time.
PART = 8_192

_CHECKSUMS = "sha256.json"
_AXES = "axes-"


class SketchStore:
    """The sketches of one index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By the checksums of their arrays: segments share axes, and so what is computed with them.
        self._axes: dict[tuple[str, ...], Axes] = {}

    def load(self, segment: Segment) -> Sketch | None:
        """The stored sketch, mapped; None where there is none that fits."""
        folder = self._folder / segment.name
        try:
            names = _checksums(folder)
            arrays = {
                name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
                for name in names
                if not name.startswith(_AXES)
            }
            sketch = Sketch.from_arrays(self._load_axes(folder, names), arrays)
        except Exception:  # NumPy fails in many ways at a file that is damaged
            return None
        if not sketch.levels or sketch.axes.dim != segment.vectors.shape[1]:
            return None
        lengths = {len(array) for rows in sketch.levels for array in (rows.codes, rows.offsets)}
        return sketch if lengths == {len(segment)} else None

    def _load_axes(self, folder: Path, checksums: Mapping[str, str]) -> Axes:
        """The axes of the sketch in `folder`, read once for all that have the same.

        Raises ValueError if they are not what was written: with them the bound would be wrong, and
        other segments may get them too.
        """
        names = sorted(name for name in checksums if name.startswith(_AXES))
        key = tuple(checksums[name] for name in names)
        if key not in self._axes:
            arrays = {}
            for name in names:
                path = folder / f"{name}.npy"
                if _checksum(path) != checksums[name]:
                    raise ValueError(f"{path} is damaged")
                arrays[name.removeprefix(_AXES)] = np.load(path)
            self._axes[key] = Axes.from_arrays(arrays)
        return self._axes[key]

    def _oldest_axes(self) -> Axes | None:
        """The axes of the first segment that has a sketch."""
        if self._folder.is_dir():
            for folder in sorted(self._folder.iterdir()):
                with suppress(Exception):  # damaged
                    return self._load_axes(folder, _checksums(folder))
        return None

    def store(self, segment: Segment) -> None:
        """Make and keep the sketch of `segment`, if it is large enough and has none.

        A disk that is full costs speed, not correctness: then there is no sketch.
        """
        folder = self._folder / segment.name
        if len(segment) < LEAST_VECTORS or folder.exists():
            return
        sketch = _sketch_of(segment, self._oldest_axes())
        arrays: dict[str, npt.NDArray[Any]] = dict(sketch.to_arrays())
        arrays |= {f"{_AXES}{name}": array for name, array in sketch.axes.to_arrays().items()}
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            with new_folder(folder) as temporary:
                checksums = {
                    name: _write(temporary / f"{name}.npy", a) for name, a in arrays.items()
                }
                (temporary / _CHECKSUMS).write_text(json.dumps(checksums))

    def sweep(self, names: Iterable[str]) -> None:
        """Delete all but the sketches of the segments called `names`."""
        keep = set(names)
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in keep:
                    self.drop(path.name)

    def problems(self, name: str) -> Iterator[Path]:
        """Files of a segment's sketch that are not what was written."""
        folder = self._folder / name
        if not folder.exists():
            return
        try:
            checksums = _checksums(folder)
        except (OSError, ValueError, TypeError):
            yield folder / _CHECKSUMS
            return
        if checksums.keys() != {path.stem for path in folder.glob("*.npy")}:
            yield folder / _CHECKSUMS
            return
        for array, checksum in checksums.items():
            path = folder / f"{array}.npy"
            if not path.is_file() or _checksum(path) != checksum:
                yield path

    def drop(self, name: str) -> None:
        """Delete the sketch of the segment called `name`."""
        shutil.rmtree(self._folder / name, ignore_errors=True)


def _checksums(folder: Path) -> dict[str, str]:
    """The arrays of the sketch in `folder`: the SHA-256 of each by its name."""
    return dict(json.loads((folder / _CHECKSUMS).read_text()))


def _sketch_of(segment: Segment, known: Axes | None) -> Sketch:
    """Axes from an even sample, then the rows; part by part, whatever the segment's size.

    `known` axes are used where they serve nearly as well as the segment's own would: queries are
    projected once for each set of axes.
    """
    step = max(1, len(segment) // SAMPLE)
    axes = make_axes(np.concatenate([part[::step] for part in segment.parts(PART)]))
    if known is not None and known.dim == axes.dim:
        # Other rows where there are some: axes serve those best that they were learnt from.
        others = np.concatenate([part[step // 2 :: 4 * step] for part in segment.parts(PART)])
        if unseen(known, others) <= NEARLY * unseen(axes, others) + LITTLE:
            axes = known
    sketches = [make_sketch(part, axes) for part in segment.parts(PART)]
    levels = [
        Rows(
            np.concatenate([sketch.levels[number].codes for sketch in sketches]),
            np.concatenate([sketch.levels[number].offsets for sketch in sketches]),
        )
        for number in range(len(axes.levels))
    ]
    return Sketch(axes, tuple(levels))


def _write(path: Path, array: npt.NDArray[Any]) -> str:
    """Write one array; returns its checksum."""
    np.save(path, array)
    return _checksum(path)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
