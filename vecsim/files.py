"""Writes files and folders that appear complete or not at all, and then survive a power failure.

What is written goes to a temporary name in the same folder, is synced to the disk and takes its
final name by a rename; then the folder is synced too. The temporary name of `NAME` is
`.NAME.TOKEN.part`, where TOKEN is random: `remove_leftovers` deletes what a killed process left.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vecsim import system
from vecsim.errors import StorageError
from vecsim.hints import Hint

# File systems allow 255 bytes in a name, and UTF-8 takes up to four for a character.
_MAX_CHARACTERS = 60
_LEFTOVER = re.compile(r"[0-9a-f]{8}\.part(-wal|-shm|-journal)?")


def temporary_path(path: Path) -> Path:
    """Return a new name beside `path` to write to before it is renamed to `path`."""
    return path.with_name(f"{_prefix(path.name)}{os.urandom(4).hex()}.part")


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary stream that becomes the file `path`, durably, when the block ends.

    Until then, and after an error, `path` is what it was before. Raises OSError.
    """
    temporary = temporary_path(path)
    with _deleted_after_errors(temporary):
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path)


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file written there becomes `path`, durably, as in `new_file`.

    For writers that open files themselves (NumPy's memory maps, HDF5, SQLite). Raises OSError.
    """
    temporary = temporary_path(path)
    with _deleted_after_errors(temporary):
        yield temporary
        move_into_place(temporary, path)


@contextmanager
def new_output(path: Path) -> Iterator[Path]:
    """As `new_path`, for a file that the user named: a link stays a link, and the permissions of
    a file that is replaced stay.
    """
    target = Path(os.path.realpath(path))
    with new_path(target) as temporary:
        yield temporary
        keep_permissions(target, temporary)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a new temporary folder that becomes the folder `path`, durably, when the block ends.

    `path` must not exist, unless it is an empty folder. Raises OSError.
    """
    temporary = temporary_path(path)
    temporary.mkdir()
    with _deleted_after_errors(temporary):
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                sync(Path(folder, name))
            sync(Path(folder))
        _rename(temporary, path)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `path`, deleted when the block ends. Raises OSError."""
    temporary = temporary_path(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        _delete(temporary)


def move_into_place(temporary: Path, path: Path) -> None:
    """Sync the file `temporary` and rename it to `path` on the same file system, durably."""
    sync(temporary)
    _rename(temporary, path)


def keep_permissions(old: Path, new: Path) -> None:
    """Give `new` the permissions of `old`, if `old` exists."""
    import shutil  # here, because --help imports this module too

    if old.exists():
        shutil.copymode(old, new)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a power failure."""
    system.sync(path)


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes left while they wrote `path`.

    The caller holds a lock that keeps others from writing `path` now.
    """
    for left in path.parent.iterdir():
        if is_leftover(left.name, path.name):
            _delete(left)


def is_leftover(name: str, of: str) -> bool:
    """Return whether `name` is one that `temporary_path` gives for a file called `of`.

    SQLite puts files of its own beside the one that it writes: NAME.part-wal, NAME.part-shm.
    """
    prefix = _prefix(of)
    return name.startswith(prefix) and _LEFTOVER.fullmatch(name[len(prefix) :]) is not None


@contextmanager
def storage_errors(path: Path, hint: Hint | None = None) -> Iterator[None]:
    """Turn each OSError of the block into a `StorageError`: `path` cannot be written."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror or error}).", hint=hint
        ) from error


def _prefix(name: str) -> str:
    return f".{name[:_MAX_CHARACTERS]}."


def _rename(temporary: Path, path: Path) -> None:
    os.replace(temporary, path)
    sync(path.parent)


@contextmanager
def _deleted_after_errors(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _delete(temporary)
        raise


def _delete(path: Path) -> None:
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # on a read-only disk there never was such a file
            path.unlink()


@contextmanager
def temporary_errors() -> Iterator[None]:
    """Raise a `StorageError` where no temporary file or folder can be created in the block."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"no folder for temporary files can be written ({error.strerror}). Set TMPDIR to one."
        ) from error


def private_temporary_folder() -> Path:
    """Return a folder for temporary files of this user alone, the same for each process.

    It is created if it does not exist. A folder of that name that another user owns or can write
    to is not used: its files may not be this user's. Where no folder can be created, its name is
    returned, and writing there fails.
    """
    try:
        user = system.user_number()
        if user is None:  # the folder for temporary files is each user's own
            folder = Path(tempfile.gettempdir(), "vecsim")
            folder.mkdir(exist_ok=True)
            return folder
        folder = Path(tempfile.gettempdir(), f"vecsim-{user}")
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return Path("/var/empty/vecsim")
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == user
    if is_own and not status.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="vecsim-"))
