"""The files of an index folder: where they are, what they are called, and how a folder is made."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import portalocker

from vecsim.catalog import Catalog
from vecsim.errors import IndexExistsError, IndexMissingError, StorageError
from vecsim.files import new_file, new_folder, remove_leftovers
from vecsim.hints import Action, Hint
from vecsim.records import Fingerprint

_SEGMENT_NAME = re.compile(r"(\d{12,})-(\d{12,})\.(\d+)\.faiss")


def segment_name(first_key: int, last_key: int, generation: int) -> str:
    """Return the name of a segment file: first and last key, and the generation that wrote it."""
    return f"{first_key:012d}-{last_key:012d}.{generation}.faiss"


def parse_segment_name(name: str) -> tuple[int, int, int] | None:
    """Return first key, last key and generation, or None if this is not a segment's name."""
    found = _SEGMENT_NAME.fullmatch(name)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class IndexFolder:
    """The paths of one index."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The SQLite file that decides what the index holds."""
        return self.path / "catalog.db"

    @property
    def fingerprint(self) -> Path:
        """A copy of the fingerprint, for repairing an index whose catalog cannot be read."""
        return self.path / "fingerprint.json"

    @property
    def damaged(self) -> Path:
        """The folder to which `repair` moves damaged files."""
        return self.path / "damaged"

    @property
    def thumbnails(self) -> Path:
        """The SQLite file of thumbnails; it may be absent."""
        return self.path / "thumbnails.db"

    @property
    def segments(self) -> Path:
        """The folder of the segment files."""
        return self.path / "segments"

    @property
    def sketches(self) -> Path:
        """The folder of the sketches. They only make searches faster and can be deleted."""
        return self.path / "sketches"

    @property
    def writer_lock(self) -> Path:
        """The file that the one writing process locks."""
        return self.path / "writer.lock"

    @property
    def reader_lock(self) -> Path:
        """The file that readers lock together; `compact` locks it alone to delete removed rows."""
        return self.path / "reader.lock"

    def exists(self) -> bool:
        """Return whether there is an index here."""
        return self.catalog.is_file()

    def unlisted_segments(self, listed: Collection[str]) -> Iterator[Path]:
        """Yield the files in the segments folder whose names are not among `listed`."""
        if self.segments.is_dir():
            for path in self.segments.iterdir():
                if path.name not in listed and path.is_file():
                    yield path

    def require(self) -> None:
        """Raise `IndexMissingError`, naming what is here instead, unless there is an index."""
        if self.exists():
            return
        if not self.path.exists():
            found = "there is nothing at that path"
        elif not self.path.is_dir():
            found = "that is a file"
        else:
            found = "that folder holds no catalog.db"
        raise IndexMissingError(
            f"{self.path}: not a vecsim index: {found}.",
            hint=Hint(Action.BUILD_INDEX, path=self.path),
        )


def create_index(
    path: Path, fingerprint: Fingerprint, settings: Mapping[str, str] | None = None
) -> IndexFolder:
    """Create an empty index that appears complete at `path`, or not at all.

    Raises `IndexExistsError` when something is at `path` already, `StorageError`.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        what = "an index" if IndexFolder(path).exists() else "something else"
        raise IndexExistsError(f"{path}: there is {what} already.", hint=Hint(Action.CHOOSE_PATH))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _creation_lock(path.parent):
            remove_leftovers(path)
            _create(path, fingerprint, settings)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster
            raise IndexExistsError(f"{path}: there is an index already.") from error
        raise StorageError(
            f"{path}: the index cannot be created here ({error.strerror}).",
            hint=Hint(Action.CHOOSE_WRITABLE_FOLDER),
        ) from error
    return IndexFolder(path)


def _create(path: Path, fingerprint: Fingerprint, settings: Mapping[str, str] | None) -> None:
    with new_folder(path) as temporary:
        folder = IndexFolder(temporary)
        folder.segments.mkdir()
        folder.reader_lock.touch()
        folder.writer_lock.touch()
        write_fingerprint(folder, fingerprint)
        try:
            Catalog.create(folder.catalog, fingerprint, settings).close()
        except StorageError as error:  # name the folder that was asked for
            message = error.message.replace(str(temporary), str(path))
            raise StorageError(message, hint=error.hint) from error


@contextmanager
def _creation_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time create indexes in `folder`; the lock ends with its process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE)
        yield
    finally:
        os.close(descriptor)


def write_fingerprint(folder: IndexFolder, fingerprint: Fingerprint) -> None:
    """Write the copy of the fingerprint beside the catalog, durably.

    The caller holds a lock that keeps other processes from doing the same.
    """
    remove_leftovers(folder.fingerprint)
    with new_file(folder.fingerprint) as file:
        file.write(json.dumps(asdict(fingerprint)).encode())


def read_fingerprint(folder: IndexFolder) -> Fingerprint | None:
    """Read what `write_fingerprint` wrote; None if it is damaged. Raises FileNotFoundError."""
    try:
        return Fingerprint(**json.loads(folder.fingerprint.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError):
        return None
