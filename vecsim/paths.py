r"""Paths as text, as POSIX systems and as Windows write them.

Pure functions that ask no file system; `windows` says which of the two is meant, by default that
of this machine. A path of Windows begins with a drive (`C:\pics`), a share (`\\nas\pics`) or the
prefix of long paths (`\\?\`); its names are the same in capitals and in small letters.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from collections.abc import Collection
from pathlib import PurePath, PurePosixPath, PureWindowsPath

WINDOWS: bool = os.name == "nt"

_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_DRIVE_IN_URL = re.compile(r"/([A-Za-z])[:|](?=/|\Z)")
_LONG = "\\\\?\\"

# Programs that do not ask for long paths get at most 259 characters; of a folder 247, since a name
# of the shortest form must fit into it.
_MOST_CHARACTERS = 247


def is_of_windows(text: str) -> bool:
    """Return whether an absolute path is written as Windows does: with a drive or a share."""
    return _OF_WINDOWS.match(text) is not None


def is_absolute(text: str, *, windows: bool = WINDOWS) -> bool:
    """Return whether a path says by itself where it is: on Windows, from a drive or share on."""
    return is_of_windows(text) if windows else text.startswith("/")


def resolve(text: str, folder: str | PurePath, *, windows: bool = WINDOWS) -> str:
    """Return an absolute path as it is, and another one as seen from `folder`, without `..`."""
    if is_absolute(text, windows=windows):
        return text
    system = ntpath if windows else posixpath
    return str(system.normpath(system.join(str(folder), text)))


def file_name(address: str) -> str:
    """Return the last part of a URL or path."""
    if is_of_windows(address):
        return ntpath.basename(address.rstrip("\\/"))
    return address.rstrip("/").rpartition("/")[2]


def is_below(path: str, folder: str, *, windows: bool = WINDOWS) -> bool:
    """Return whether the absolute `path` is `folder` or in it; of Windows in any capitals."""
    flavour = PureWindowsPath if windows else PurePosixPath
    return flavour(path).is_relative_to(flavour(folder))


def path_in_file_url(path: str, *, windows: bool = WINDOWS) -> str:
    r"""Return the path that the decoded path of a `file:` URL means.

    On Windows `/C:/pics/1.jpg`, and the older `/C|/pics/1.jpg`, mean `C:\pics\1.jpg`.
    """
    if not windows:
        return path
    found = _DRIVE_IN_URL.match(path)
    if found is None:
        return ntpath.normpath(path)
    return ntpath.normpath(f"{found[1]}:{path[found.end() :] or '/'}")


def link_to_file(path: str, *, windows: bool = WINDOWS) -> str:
    """Return the `file:` URL of an absolute path; empty for others, and for a share.

    A page with a link to a share would make Windows send the name and password hash of its user to
    that host. Lone surrogates, which no URL can hold, give an empty text too.
    """
    if "\0" in path or not is_absolute(path, windows=windows) or path[:2] in ("//", "\\\\"):
        return ""
    try:
        return (PureWindowsPath if windows else PurePosixPath)(path).as_uri()
    except UnicodeEncodeError:
        return ""


def openable(path: str, *, windows: bool = WINDOWS) -> str:
    r"""Return a path by which a file of a long path can be opened.

    Windows takes more than 259 characters only after the prefix `\\?\`, and then neither `/` nor
    `..`. Relative paths, and those of other systems, are returned as they are.
    """
    if not windows or len(path) <= _MOST_CHARACTERS or path.startswith(_LONG):
        return path
    if not is_of_windows(path):
        return path
    plain = ntpath.normpath(path)
    return f"{_LONG}UNC{plain[1:]}" if plain.startswith("\\\\") else f"{_LONG}{plain}"


def common_folder(folders: Collection[str], *, windows: bool = WINDOWS) -> str | None:
    """Return the folder that absolute `folders` are all in; None for none, and for two drives."""
    system = ntpath if windows else posixpath
    try:
        return str(system.commonpath(folders))
    except ValueError:
        return None


def names_below(path: str, folder: str | None, *, windows: bool = WINDOWS) -> tuple[str, ...]:
    """Return the names that lead to the absolute `path` from `folder`.

    None: from the root of all, with the drive as the first name, or the host and the share.
    """
    one = (PureWindowsPath if windows else PurePosixPath)(path)
    if folder is not None:
        return one.relative_to(folder).parts
    return (*re.findall(r"[^\\/:?]+", one.drive), *one.parts[1:])
