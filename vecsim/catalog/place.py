"""Where a catalog may lie: SQLite's write-ahead log does not work over a network."""

from __future__ import annotations

import os
from pathlib import Path

from vecsim.errors import StorageError
from vecsim.machine import file_system_of, is_network_file_system

ALLOW = "VECSIM_NETWORK_FOLDER"


def check_place(folder: Path) -> None:
    """Raise `StorageError` if `folder` is on a network file system, unless that is allowed."""
    if os.environ.get(ALLOW) == "allow":
        return
    kind = file_system_of(folder)
    if is_network_file_system(kind):
        raise StorageError(
            f"{folder}: that is a network folder ({kind}), where SQLite's catalog may be damaged "
            f"when two machines use it. Keep indexes on a local disk. If only this machine ever "
            f"uses this folder, set {ALLOW}=allow."
        )
