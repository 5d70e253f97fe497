"""The files of an index folder: where they are, what they are called, and how a folder is made."""

from __future__ import annotations

import errno
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from vecsim import system
from vecsim.catalog import Catalog, parse_fingerprint
from vecsim.contained import ContainedPath, misplaced, writes
from vecsim.contained.names import FILES, FOLDERS, is_segment_or_leftover
from vecsim.errors import (
    IndexDamagedError,
    IndexExistsError,
    IndexMissingError,
    MisplacedFileError,
    StorageError,
)
from vecsim.files import new_folder, private_temporary_folder, remove_leftovers
from vecsim.hints import Action, Hint
from vecsim.locking import portalocker
from vecsim.records import Fingerprint

# What each name in an index folder is. SQLite writes files of its own beside a database.
_PARTS = {
    **dict.fromkeys(FILES, "a file"),
    **dict.fromkeys(FOLDERS, "a folder"),
    **{
        f"{name}{end}": "a file"
        for name in FILES
        if name.endswith(".db")
        for end in ("-wal", "-shm")
    },
}
_MAX_FINGERPRINT = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class IndexFolder:
    """The paths of one index."""

    path: Path

    @property
    def catalog(self) -> ContainedPath:
        """The SQLite file that decides what the index holds."""
        return ContainedPath(self.path, ("catalog.db",))

    @property
    def fingerprint(self) -> ContainedPath:
        """A copy of the fingerprint, for repairing an index whose catalog cannot be read."""
        return ContainedPath(self.path, ("fingerprint.json",))

    @property
    def damaged(self) -> ContainedPath:
        """The folder to which `repair` moves damaged files."""
        return ContainedPath(self.path, ("damaged",))

    @property
    def thumbnails(self) -> ContainedPath:
        """The SQLite file of thumbnails; it may be absent."""
        return ContainedPath(self.path, ("thumbnails.db",))

    @property
    def segments(self) -> ContainedPath:
        """The folder of the segment files."""
        return ContainedPath(self.path, ("segments",))

    @property
    def sketches(self) -> ContainedPath:
        """The folder of the sketches. They only make searches faster and can be deleted."""
        return ContainedPath(self.path, ("sketches",))

    @property
    def orientations(self) -> ContainedPath:
        """The folder of vectors of turned pictures; it may be absent."""
        return ContainedPath(self.path, ("orientations",))

    @property
    def writer_lock(self) -> ContainedPath:
        """The file that the one writing process locks."""
        return ContainedPath(self.path, ("writer.lock",))

    @property
    def reader_lock(self) -> ContainedPath:
        """The file that readers lock together; `compact` locks it alone to delete removed rows."""
        return ContainedPath(self.path, ("reader.lock",))

    def exists(self) -> bool:
        """Return whether there is an index here, sound or not."""
        return self.catalog.kind() not in ("", "a folder")

    def unlisted_segments(self, listed: Collection[str]) -> Iterator[ContainedPath]:
        """Yield the files of segments, complete or not, whose names are not among `listed`.

        Other names are left out: vecsim did not write such files.
        """
        for path in self.segments.files():
            if path.name not in listed and is_segment_or_leftover(path.name):
                yield path

    def require(self) -> None:
        """Check that there is an index, whose parts are all files and folders of its own.

        Raises `IndexMissingError`, naming what is here instead, and `MisplacedFileError`.
        """
        self.require_exists()
        for path, found, wanted in self.misplaced_parts():
            raise misplaced(self.path, path.path, found, wanted)

    def require_exists(self) -> None:
        """Check that there is an index, sound or not. Raises `IndexMissingError`."""
        if not self.exists():
            raise self._missing()

    def misplaced_parts(self) -> Iterator[tuple[ContainedPath, str, str]]:
        """Yield what is in the place of a part of the index and no file or folder of its own.

        With each: what it is and what it should be, in words.
        """
        for path, found in ContainedPath(self.path).entries():
            wanted = _PARTS.get(path.name, found)
            if found != wanted:
                yield path, found, wanted

    def links(self) -> Iterator[tuple[ContainedPath, str]]:
        """Yield links, pipes, sockets and devices anywhere in the index, with their kinds.

        Not those that `repair` has set aside.
        """
        folders = [ContainedPath(self.path)]
        while folders:
            for path, kind in folders.pop().entries():
                if kind == "a folder":
                    if path != self.damaged:
                        folders.append(path)
                elif kind != "a file":
                    yield path, kind

    def _missing(self) -> IndexMissingError:
        if not self.path.exists():
            found = "there is nothing at that path"
        elif not self.path.is_dir():
            found = "that is a file"
        else:
            found = "that folder holds no catalog.db"
        return IndexMissingError(
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
        folder.segments.make_folder()
        for lock in (folder.reader_lock, folder.writer_lock):
            lock.open("xb").close()
        write_fingerprint(folder, fingerprint)
        try:
            Catalog.create(folder.catalog, fingerprint, settings).close()
        except StorageError as error:  # name the folder that was asked for
            message = error.message.replace(str(temporary), str(path))
            raise StorageError(message, hint=error.hint) from error


def is_index(place: str) -> bool:
    """Whether there is an index at that path; standard input, "-", is none."""
    return place != "-" and IndexFolder(Path(place)).exists()


@contextmanager
def _creation_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time create indexes in `folder`; the lock ends with its process."""
    with system.lockable(folder, private_temporary_folder) as lock:
        portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE)
        yield


def write_fingerprint(folder: IndexFolder, fingerprint: Fingerprint) -> None:
    """Write the copy of the fingerprint beside the catalog, durably.

    The caller holds a lock that keeps other processes from doing the same.
    """
    writes.remove_leftovers(folder.fingerprint)
    with writes.new_file(folder.fingerprint) as file:
        file.write(json.dumps(asdict(fingerprint)).encode())


def read_fingerprint(folder: IndexFolder) -> Fingerprint | None:
    """Read what `write_fingerprint` wrote; None if it is damaged.

    Raises FileNotFoundError, `MisplacedFileError`.
    """
    try:
        return parse_fingerprint(folder.fingerprint.read_bytes(_MAX_FINGERPRINT))
    except (FileNotFoundError, MisplacedFileError):
        raise
    except (OSError, IndexDamagedError):
        return None
