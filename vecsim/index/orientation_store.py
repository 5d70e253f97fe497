"""Stores vectors of turned and mirrored pictures beside the segment with the pictures as they are.

`orientations/SEGMENT/` holds one file for each orientation, called after it, with the format of a
segment and with keys of that segment, and `files.json`, which lists their sizes and checksums. It
appears as a whole, before the catalog lists the segment, and never changes; a segment gets further
orientations by being rewritten under another name. A folder that is deleted costs nothing but the
orientations of its images, which can be made again from the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np

from vecsim.contained import ContainedPath
from vecsim.contained.names import is_segment_or_leftover
from vecsim.contained.writes import new_folder
from vecsim.errors import IndexDamagedError
from vecsim.files import storage_errors
from vecsim.hints import Action, Hint
from vecsim.orientations import STORED_NAMES
from vecsim.records import Float32, Int64
from vecsim.segments import Segment, open_segment, segment_sha256, write_segment

_LISTING = "files.json"
_MAX_LISTING = 1 << 16  # bytes
_SUFFIX = ".faiss"
_ROWS = 4_096

# How much the length of a stored vector may differ from 1: a few roundings of float32.
_UNIT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class NewVectors:
    """Vectors of one orientation to be stored: `count` rows, made by `parts` when they are written.

    `parts`: returns keys int64 (n,), ascending throughout, and unit vectors float32 (n, dim).
    """

    count: int
    parts: Callable[[], Iterable[tuple[Int64, Float32]]]


NewOrientations: TypeAlias = Mapping[int, NewVectors]
"""What is stored beside a segment, by the code of the orientation."""


Added: TypeAlias = Mapping[int, Mapping[int, Float32]]
"""Vectors by the key of the image, then by the code of the orientation."""

NOTHING_ADDED: Added = {}


def new_orientations(turned: Added) -> NewOrientations:
    """Return vectors, by key and orientation, as they are stored."""

    def of(code: int) -> NewVectors:
        keys = [key for key in sorted(turned) if code in turned[key]]
        return NewVectors(
            len(keys), lambda: [(np.array(keys), np.stack([turned[key][code] for key in keys]))]
        )

    return {code: of(code) for code in {code for own in turned.values() for code in own}}


def merged_orientations(
    segments: Sequence[Segment], removed: Int64, added: Added = NOTHING_ADDED
) -> NewOrientations:
    """Return what is stored beside a merge of `segments`: orientations of their living images.

    `removed`: keys, ascending. `added`: further vectors, in place of stored ones.
    """
    codes = {code for segment in segments for code in segment.turned}
    codes |= {code for turned in added.values() for code in turned}
    return {code: _merged(code, segments, removed, added) for code in codes}


def _merged(code: int, segments: Sequence[Segment], removed: Int64, added: Added) -> NewVectors:
    """Return the vectors of one orientation that a merge of `segments` keeps."""
    new = {key: turned[code] for key, turned in added.items() if code in turned}
    old = [segment.turned[code] for segment in segments if code in segment.turned]
    all_keys = np.concatenate([np.array(list(new), np.int64), *(each.keys for each in old)])
    keys = np.setdiff1d(all_keys, removed)
    dim = segments[0].vectors.shape[1]

    def parts() -> Iterator[tuple[Int64, Float32]]:
        for start in range(0, len(keys), _ROWS):
            some = keys[start : start + _ROWS]
            vectors = np.empty((len(some), dim), np.float32)
            for segment in old:
                # Mapped again, so that pages already copied do not stay resident.
                mapped = open_segment(segment.path, segment.data.nbytes, len(segment), dim)
                positions, rows = mapped.rows_of(some)
                vectors[positions] = mapped.vectors[rows]
            for position, key in enumerate(some.tolist()):
                if key in new:
                    vectors[position] = new[key]
            yield some, vectors

    return NewVectors(len(keys), parts)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the listing knows of one file. Raises ValueError for values of other types."""

    vector_count: int
    byte_count: int
    sha256: str

    def __post_init__(self) -> None:
        counts = (self.vector_count, self.byte_count)
        if any(type(each) is not int or each < 1 for each in counts):
            raise ValueError("a size that is none")
        if type(self.sha256) is not str:
            raise ValueError("a checksum that is no text")


class OrientationStore:
    """The stored orientations of one index."""

    def __init__(self, folder: ContainedPath, dim: int) -> None:
        """`dim`: length of the vectors."""
        self._folder = folder
        self._dim = dim

    def write(self, name: str, vectors: NewOrientations) -> None:
        """Store the orientations of a segment called `name` that no catalog lists yet, durably.

        What an interrupted run left in that place is deleted. Raises `StorageError`.
        """
        folder = self._folder / name
        folder.delete_folder()
        wanted = {code: new for code, new in vectors.items() if new.count}
        if not wanted:
            return
        with storage_errors(folder.path, Hint(Action.MAKE_ROOM)):
            self._folder.make_folder()
            with new_folder(folder) as temporary:
                listed = {}
                for code, new in sorted(wanted.items()):
                    file = temporary / _file_name(code)
                    size, checksum = write_segment(file, self._dim, new.count, new.parts())
                    listed[STORED_NAMES[code]] = asdict(_Listed(new.count, size, checksum))
                with (temporary / _LISTING).open("xb") as stream:
                    stream.write(json.dumps(listed).encode())

    def with_turned(self, segment: Segment) -> Segment:
        """Return `segment` with its stored orientations, open.

        Raises FileNotFoundError if a listed file is missing, and `IndexDamagedError`.
        """
        folder = self._folder / segment.name
        try:
            listed = _read_listing(folder)
        except FileNotFoundError:
            return segment
        except (ValueError, TypeError, RecursionError, AttributeError) as error:
            raise IndexDamagedError(
                f"{folder / _LISTING}: damaged.",
                hint=Hint(Action.RESTORE_OR_REPAIR, path=folder.root),
            ) from error
        turned = {
            code: open_segment(
                folder / _file_name(code),
                its.byte_count,
                its.vector_count,
                self._dim,
            )
            for code, its in listed.items()
        }
        return replace(segment, turned=turned)

    def problems(self, segment: Segment) -> Iterator[tuple[ContainedPath, str]]:
        """Yield what is wrong with the stored orientations of `segment`, and in which file."""
        folder = self._folder / segment.name
        if not folder.has_folder():
            return
        try:
            listed = _read_listing(folder)
        except (OSError, ValueError, TypeError, RecursionError, AttributeError, IndexDamagedError):
            yield folder / _LISTING, "damaged"
            return
        files = {path.name for path in folder.files()} - {_LISTING}
        expected = {_file_name(code) for code in listed}
        for name in sorted(files ^ expected):
            yield folder / name, "missing" if name in expected else "listed nowhere"
        for code, its in listed.items():
            file = folder / _file_name(code)
            if file.name in files:
                for what in self._file_problems(file, its, segment.keys):
                    yield file, what

    def _file_problems(self, file: ContainedPath, its: _Listed, keys: Int64) -> Iterator[str]:
        try:
            turned = open_segment(file, its.byte_count, its.vector_count, self._dim)
        except (OSError, IndexDamagedError):
            yield "damaged"
            return
        if segment_sha256(turned) != its.sha256:
            yield "damaged: its SHA-256 is not the one that was listed"
        own = turned.keys
        if not ((np.diff(own) > 0).all() and np.isin(own, keys).all()):
            yield "its keys are not keys of its segment"
        for part in turned.parts(_ROWS):
            lengths = np.linalg.norm(part.astype(np.float64), axis=1)
            if not (np.abs(lengths - 1) < _UNIT_TOLERANCE).all():
                yield "contains vectors that are not of unit length"
                return

    def folder_of(self, name: str) -> ContainedPath:
        """Return the folder of the segment called `name`."""
        return self._folder / name

    def drop(self, name: str) -> None:
        """Delete what is stored for the segment called `name`."""
        (self._folder / name).delete_folder()

    def sweep(self, names: Iterable[str]) -> None:
        """Delete what is stored for other segments than those called `names`."""
        kept = set(names)
        for path, kind in self._folder.entries():
            if kind == "a folder" and path.name not in kept and is_segment_or_leftover(path.name):
                path.delete_folder()


def _file_name(code: int) -> str:
    return f"{STORED_NAMES[code]}{_SUFFIX}"


def _read_listing(folder: ContainedPath) -> dict[int, _Listed]:
    """Return what is listed in `folder`, by orientation.

    Raises OSError, ValueError, TypeError, AttributeError, RecursionError, `IndexDamagedError`.
    """
    listed = json.loads((folder / _LISTING).read_bytes(_MAX_LISTING))
    return {STORED_NAMES.index(name): _Listed(**its) for name, its in listed.items()}
