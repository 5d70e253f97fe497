"""Durable writes inside an index folder: files and folders that appear complete or not at all.

What `vecsim.files` does for paths that the user named, without following links.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from vecsim.contained.path import ContainedPath
from vecsim.files import is_leftover, temporary_path


@contextmanager
def new_file(path: ContainedPath) -> Iterator[BinaryIO]:
    """Yield a binary stream that becomes the file `path`, durably, when the block ends.

    Until then, and after an error, `path` is what it was before. Raises OSError.
    """
    with new_path(path) as temporary, temporary.open("xb") as file:
        yield file


@contextmanager
def new_path(path: ContainedPath) -> Iterator[ContainedPath]:
    """Yield a temporary path; the file written there becomes `path`, as in `new_file`.

    For writers that open files themselves, such as SQLite. Raises OSError.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.sync_content()
        temporary.rename(path)
        path.parent.sync()
    except BaseException:
        with suppress(OSError):  # on a read-only disk there never was such a file
            temporary.unlink()
        raise


@contextmanager
def new_folder(path: ContainedPath) -> Iterator[ContainedPath]:
    """Yield a new folder for files that becomes the folder `path`, durably, when the block ends.

    `path` must not exist, unless it is an empty folder. Raises OSError.
    """
    temporary = _temporary(path)
    temporary.make_folder()
    try:
        yield temporary
        for file in temporary.files():
            file.sync_content()
        temporary.sync()
        temporary.rename(path)
        path.parent.sync()
    except BaseException:
        temporary.delete_folder()
        raise


@contextmanager
def scratch_folder(path: ContainedPath) -> Iterator[ContainedPath]:
    """Yield a new folder beside `path`, deleted when the block ends. Raises OSError."""
    temporary = _temporary(path)
    temporary.make_folder()
    try:
        yield temporary
    finally:
        temporary.delete_folder()


def remove_leftovers(path: ContainedPath) -> None:
    """Delete files and folders that killed processes left while they wrote `path`.

    The caller holds a lock that keeps others from writing `path` now.
    """
    for left, kind in path.parent.entries():
        if is_leftover(left.name, path.name):
            if kind == "a file":
                left.unlink(missing_ok=True)
            elif kind == "a folder":
                left.delete_folder()


def _temporary(path: ContainedPath) -> ContainedPath:
    return path.with_name(temporary_path(path.path).name)
