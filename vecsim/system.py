"""What differs between operating systems: what only some have, and what stands in for it elsewhere.

Nothing else in vecsim asks which system it runs on. Each name is looked for when this module is
imported, so that the stand-ins also run on Linux where these names are taken away
(`tests/system`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# -- opening and naming files --------------------------------------------------------------------

NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
"""Flag of `os.open` that refuses a link in the place of a file; 0 where there is none."""

NO_ACCESS_TIME: int = getattr(os, "O_NOATIME", 0)
"""Flag of `os.open` that keeps the time of the last access; only the owner may use it."""

AS_BYTES: int = getattr(os, "O_BINARY", 0)
"""Flag of `os.open` without which Windows reads other ends of lines than the file has."""

PLAIN: int = (
    getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | AS_BYTES
)
"""Flags of `os.open` for a file of which nothing is known: a pipe does not block, a terminal does
not become that of this process.
"""

HAS_FOLDER_HANDLES: bool = bool(NO_FOLLOW) and {os.open, os.stat, os.unlink, os.mkdir} <= set(
    os.supports_dir_fd
)
"""Whether files are opened, looked at and deleted relative to the open handle of a folder."""

_FOLDER: int = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)

# A handle that only names below it are looked up with needs no permission to read.
LOOK_UP: int = getattr(os, "O_PATH", os.O_RDONLY) | _FOLDER
"""Flags of `os.open` for a folder in which names are looked up."""

READ_FOLDER: int = os.O_RDONLY | _FOLDER
"""Flags of `os.open` for a folder that is listed or synced."""


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a power failure.

    Windows cannot open folders (NTFS keeps a journal of its names), and syncs only files that are
    open for writing.
    """
    if HAS_FOLDER_HANDLES:
        descriptor = os.open(path, os.O_RDONLY)
    elif path.is_dir():
        return
    else:
        descriptor = os.open(path, os.O_RDWR | PLAIN)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lockable(folder: Path, spare: Callable[[], Path]) -> Iterator[int]:
    """Yield the open handle of something to lock that stands for `folder`: the folder itself.

    Where folders cannot be opened, a file of the folder that `spare` returns, named by the path.
    """
    if HAS_FOLDER_HANDLES:
        descriptor = os.open(folder, os.O_RDONLY)
    else:
        name = hashlib.sha256(os.fsencode(os.path.normcase(folder.resolve()))).hexdigest()[:16]
        descriptor = os.open(spare() / f"{name}.lock", os.O_RDWR | os.O_CREAT | PLAIN, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_link(path: Path) -> bool:
    """Return whether `path` is a link or, on Windows, a junction, which leads elsewhere too."""
    return path.is_symlink() or (hasattr(os.path, "isjunction") and os.path.isjunction(path))


def user_number() -> int | None:
    """Return the number of the user this process acts for; None where users have none."""
    return os.geteuid() if hasattr(os, "geteuid") else None


_AT_FDCWD = -100
_FICLONE = 0x40049409  # of linux/fs.h: share the blocks of another file

RENAME_NEW, RENAME_EXCHANGE = 1, 2
"""Flags of Linux's `renameat2`: the new name must not exist; or both names exchange."""


def rename_with_flags(source: Path, target: Path, flags: int) -> None:
    """Rename as Linux's `renameat2` does. Raises OSError: ENOSYS where there is no such call."""
    function = getattr(_libc(), "renameat2", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def _libc() -> Any:
    """Return the C library of this process; None on Windows."""
    try:
        return ctypes.CDLL(None, use_errno=True)
    except TypeError:
        return None


def read_attributes(path: Path) -> dict[str, bytes]:
    """Return the extended attributes of a file, such as tags; none where there are no such."""
    attributes: dict[str, bytes] = {}
    with contextlib.suppress(OSError, AttributeError):  # of the file system, of the system
        for name in os.listxattr(path):
            attributes[name] = os.getxattr(path, name)
    return attributes


def write_attribute(path: Path, name: str, value: bytes) -> None:
    """Set an extended attribute of a file, where that is possible."""
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(path, name, value)


def change_owner(path: Path, owner: int, group: int) -> None:
    """Give a file or link to a user and a group, where this process may, and where users own."""
    with contextlib.suppress(OSError, AttributeError):
        os.chown(path, owner, group, follow_symlinks=False)


def set_times(path: Path, accessed: int, modified: int) -> None:
    """Set the times of a file in nanoseconds; those of a link itself where the system can."""
    if os.utime in os.supports_follow_symlinks:
        os.utime(path, ns=(accessed, modified), follow_symlinks=False)
    elif not is_link(path):
        os.utime(path, ns=(accessed, modified))


def share_blocks(source: IO[bytes], clone: IO[bytes]) -> None:
    """Make the empty file `clone` share the blocks of `source`.

    Raises OSError: EOPNOTSUPP where the file system or the operating system cannot.
    """
    if fcntl is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    fcntl.ioctl(clone, _FICLONE, source.fileno())


# -- processes -----------------------------------------------------------------------------------

HANG_UP: int | None = getattr(signal, "SIGHUP", getattr(signal, "SIGBREAK", None))
"""The signal that a closed terminal sends: SIGHUP, on Windows SIGBREAK."""

END_SIGNALS = tuple(
    number for number in (signal.SIGINT, signal.SIGTERM, HANG_UP) if number is not None
)
"""Signals that ask a process to end."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere, nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


FORKS_END_WITH_PARENT: bool = hasattr(os, "fork") and hasattr(_libc(), "prctl")
"""Whether a process can be copied, and the copies end with it: only on Linux."""


def limit_process(memory: int, file_bytes: int) -> None:
    """Limit what this process allocates from now on and writes to a file; it dumps no core.

    Windows has no such limits for a process itself.
    """
    if resource is None:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):  # not every system has these
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def open_nothing_more() -> None:
    """Let this process open no file and no connection, nor gain privileges, where that is possible.

    It keeps what it has open, and could still delete or rename files, which needs no open one.
    """
    with contextlib.suppress(OSError, AttributeError):
        _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if resource is not None:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def most_open_files() -> tuple[int, int] | None:
    """Return how many files this process may have open, and the most it may ask for.

    None where there is no limit.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else (soft, hard)


def enlarge_pipe(stream: IO[bytes], size: int) -> None:
    """Let a pipe hold `size` bytes, where the system can, and rations permit."""
    with contextlib.suppress(OSError, AttributeError):  # fcntl is None, or has no such command
        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, size)


def wait_readable(number: int, seconds: float) -> bool:
    """Wait until the open pipe, terminal or socket `number` can be read; False after `seconds`.

    Windows waits for sockets only: there this returns True, and reading waits without an end.
    """
    try:
        return bool(select.select([number], [], [], seconds)[0])
    except OSError as error:
        if error.errno != errno.ENOTSOCK:
            raise
        return True


def unnamed_file() -> IO[bytes]:
    """Open a new file without a name, for messages: in memory where no disk can be written.

    Raises OSError where neither is possible.
    """
    import tempfile

    try:
        return tempfile.TemporaryFile()
    except OSError:
        if not hasattr(os, "memfd_create"):
            raise
        return os.fdopen(os.memfd_create("vecsim"), "w+b")


def read_at(number: int, size: int, position: int) -> bytes:
    """Read from an open file at a position; where there is no `pread`, its own position moves."""
    if hasattr(os, "pread"):
        return os.pread(number, size, position)
    os.lseek(number, position, os.SEEK_SET)
    return os.read(number, size)


def forget_pages(mapping: Any) -> None:
    """Tell the kernel that the pages of a memory map are not needed now, where it can be told."""
    import mmap

    if hasattr(mapping, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
