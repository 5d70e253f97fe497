"""Where a catalog may lie: SQLite's write-ahead log does not work over a network."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vecsim.errors import StorageError

# Kinds of file system, as /proc/mounts calls them, that several machines see at once.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|lustre|gpfs|glusterfs|beegfs|orangefs|pvfs2|davfs|ncpfs|coda|"
    r"fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|davfs2?|cifs|smb\w*|nfs\w*|goofys|juicefs)"
)

_MOUNTS = Path("/proc/self/mounts")
ALLOW = "VECSIM_NETWORK_FOLDER"


def check_place(folder: Path) -> None:
    """Raise `StorageError` if `folder` is on a network file system, unless that is allowed."""
    if os.environ.get(ALLOW) == "allow":
        return
    try:
        mounts = _MOUNTS.read_bytes()
    except OSError:  # no such table: not Linux
        return
    kind = network_kind(folder.resolve(), mounts)
    if kind is not None:
        raise StorageError(
            f"{folder}: that is a network folder ({kind}), where SQLite's catalog may be damaged "
            f"when two machines use it. Keep indexes on a local disk. If only this machine ever "
            f"uses this folder, set {ALLOW}=allow."
        )


def network_kind(folder: Path, mounts: bytes) -> str | None:
    """The kind of network file system that the absolute path `folder` is on; None if it is local.

    `mounts`: the text of /proc/mounts, where blanks in paths are written as octal numbers.
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        place = Path(os.fsdecode(re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), fields[1])))
        # Of two mounted on one place, the later one is seen.
        if len(place.parts) >= depth and folder.is_relative_to(place):
            found, depth = fields[2].decode("ascii", "replace"), len(place.parts)
    return found if _NETWORK.fullmatch(found) else None
