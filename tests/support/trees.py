"""Folders as they are on disk: every name with its bytes, mode, times and link target."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

Tree = dict[str, tuple[Any, ...]]


def tree(folder: Path) -> Tree:
    """All files and links below a folder: (kind, bytes or target, mode, time of change)."""
    found: Tree = {}
    for root, folders, names in os.walk(folder):
        for name in [*names, *(each for each in folders if Path(root, each).is_symlink())]:
            path = Path(root, name)
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            if path.is_symlink():
                about: tuple[Any, ...] = ("link", os.readlink(path), status.st_mtime_ns)
            else:
                about = ("file", path.read_bytes(), mode, status.st_mtime_ns)
            found[str(path.relative_to(folder))] = about
    return found


def whole_tree(folder: Path) -> Tree:
    """As `tree`, and the folders too, `folder` included: (kind, mode, time of change)."""
    found = tree(folder)
    for root, _, _ in os.walk(folder):
        status = os.lstat(root)
        name = f"{Path(root).relative_to(folder)}/"
        found[name] = ("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return found


def hashes(*folders: Path) -> set[str]:
    """The SHA-256 of every readable file below the folders."""
    return {
        hashlib.sha256(about[1]).hexdigest()
        for folder in folders
        for about in tree(folder).values()
        if about[0] == "file"
    }
