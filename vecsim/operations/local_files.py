"""Local files behind the URLs of images: which of them are one file, and which are not there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vecsim import paths
from vecsim.errors import ImageError
from vecsim.fetch.address import parse_address


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Identifies a local file, whatever name it is reached by.

    `device`, `inode`: as the system numbers them, where it does. `path`: the real path where the
    file system has no numbers, else empty.
    """

    device: int
    inode: int
    path: str = ""


def local_path(url: str) -> Path | None:
    """Return the path of a `file:` URL or a path; None for http(s) URLs and for no address."""
    if url[:7].lower() in ("http://", "https:/"):
        return None
    try:
        return parse_address(url).path
    except ImageError:
        return None


def file_identity(url: str) -> FileIdentity | None:
    """Identify the local file that `url` refers to: links and mounts are followed.

    None for http(s) URLs and for files that are not there.
    """
    path = local_path(url)
    status = _status(path)
    if path is None or status is None or not stat.S_ISREG(status.st_mode):
        return None
    if status.st_ino:
        return FileIdentity(status.st_dev, status.st_ino)
    return FileIdentity(status.st_dev, 0, os.path.realpath(path))


def is_missing(url: str) -> bool:
    """Tell whether `url` refers to a local file that is not there now.

    False for http(s) URLs, which only a request can tell, and for relative paths, which may mean
    another folder than the current one.
    """
    path = local_path(url)
    if path is None or not path.is_absolute():
        return False
    status = _status(path)
    return status is None or not stat.S_ISREG(status.st_mode)


def is_real_path(url: str) -> bool:
    """Tell whether no link is on the way to the local file that `url` refers to."""
    path = local_path(url)
    return path is not None and os.path.realpath(path) == os.path.abspath(path)


def _status(path: Path | None) -> os.stat_result | None:
    """Return what the system knows of the file at `path`; None where there is none."""
    if path is None:
        return None
    try:
        return Path(paths.openable(str(path))).stat()
    except (OSError, ValueError):
        return None
