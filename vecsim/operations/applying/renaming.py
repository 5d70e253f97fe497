"""Renames that never overwrite, and exchanges of two names, by Linux' renameat2."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_NO_REPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def rename_new(source: Path, target: Path) -> None:
    """Rename `source` to `target`, which must not exist. Raises OSError, FileExistsError.

    On a file system that cannot do this in one step, a file that appears at `target` in the same
    instant could be overwritten.
    """
    try:
        _renameat2(source, target, _NO_REPLACE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(source, target)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; returns False where the file system cannot."""
    try:
        _renameat2(one, other, _EXCHANGE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _renameat2(source: Path, target: Path, flags: int) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))
