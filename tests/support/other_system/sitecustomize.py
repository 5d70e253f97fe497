"""Takes away from Python what Windows has not, in each process that has this folder on PYTHONPATH.

vecsim then runs its stand-ins, on Linux: `os.open` opens no folder and knows no `dir_fd`; files
that are open or mapped can neither be deleted nor replaced; `select` knows no pipes; the modules
`fcntl`, `resource` and `pwd`, some signals and the C library of the process are missing. The
libraries that use these on Linux are imported first.
"""

import builtins
import contextlib
import ctypes
import errno
import os
import select
import shutil
import signal
import socket  # noqa: F401
import stat
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
from pathlib import Path

with contextlib.suppress(ImportError):
    import portalocker  # noqa: F401
with contextlib.suppress(ImportError):
    import platformdirs.unix  # noqa: F401

_FLAGS = ("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_NOATIME", "O_PATH")
_CALLS = (
    *("geteuid", "getuid", "getegid", "getgid", "chown", "fchown", "fchmod", "pread", "fwalk"),
    *("mkfifo", "sched_getaffinity", "getxattr", "setxattr", "listxattr"),
)
_SIGNALS = ("SIGHUP", "SIGXFSZ", "SIGUSR1", "SIGPIPE", "SIGALRM")


def _refuse(path: object, kind: int) -> None:
    raise PermissionError(kind, os.strerror(kind), str(path))


def _in_use(path: object) -> bool:
    """Whether this process has the file open or mapped, as far as /proc says."""
    real = os.path.realpath(os.fspath(path))  # type: ignore[call-overload]
    with contextlib.suppress(OSError):
        if real in Path("/proc/self/maps").read_text():
            return True
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}") == real:
                return True
    return False


def _take_away() -> None:
    opened, unlink, replace, rename = os.open, os.unlink, os.replace, os.rename
    waits = select.select

    def open_file(path, flags, mode=0o777, *, dir_fd=None):  # type: ignore[no-untyped-def]
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        with contextlib.suppress(OSError, ValueError):
            if not flags & os.O_CREAT and stat.S_ISDIR(os.stat(path).st_mode):
                _refuse(path, errno.EACCES)
        return opened(path, flags | 0o2000000, mode)  # not inherited, as on Windows

    def unlink_file(path, *, dir_fd=None):  # type: ignore[no-untyped-def]
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if _in_use(path):
            _refuse(path, errno.EACCES)
        unlink(path)

    def move(by):  # type: ignore[no-untyped-def]
        def moved(source, target, **handles):  # type: ignore[no-untyped-def]
            if handles:
                raise NotImplementedError("dir_fd unavailable on this platform")
            if _in_use(source) or (os.path.exists(target) and _in_use(target)):
                _refuse(target, errno.EACCES)
            if os.path.isdir(target):
                _refuse(target, errno.EACCES)
            if by is rename and os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            by(source, target)

        return moved

    def select_sockets(read, write, other, seconds=None):  # type: ignore[no-untyped-def]
        for each in (*read, *write):
            number = each if isinstance(each, int) else each.fileno()
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        return waits(read, write, other, seconds)

    for name in (*_FLAGS, *_CALLS):
        if hasattr(os, name):
            delattr(os, name)
    for name in _SIGNALS:
        delattr(signal, name)
    for module in ("fcntl", "resource", "pwd", "grp"):
        sys.modules[module] = None  # type: ignore[assignment]
    os.supports_dir_fd = set()  # type: ignore[assignment]
    os.supports_follow_symlinks = {os.stat}  # type: ignore[assignment]
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    loaded = ctypes.CDLL.__init__

    def load(self, name, *args, **options):  # type: ignore[no-untyped-def]
        if name is None:
            raise TypeError("expected a name")
        loaded(self, name, *args, **options)

    ctypes.CDLL.__init__ = load  # type: ignore[method-assign]
    os.open, os.unlink, os.remove = open_file, unlink_file, unlink_file  # type: ignore[assignment]
    os.replace, os.rename = move(replace), move(rename)
    select.select = select_sockets
    builtins.__pretends_other_system__ = True  # type: ignore[attr-defined]


if sys.platform == "linux":
    _take_away()
