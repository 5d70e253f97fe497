"""What this machine offers: cores that may be used; the file system of a folder, and its speed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_MOUNTS = Path("/proc/self/mounts")

_MEGABYTES = 32  # of the one large write
_SYNCS = 16  # small writes, each followed by an fsync

# File systems, as /proc/mounts names them, that several machines can use at the same time.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|lustre|gpfs|glusterfs|beegfs|orangefs|pvfs2|davfs|ncpfs|coda|"
    r"fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph|davfs2?|cifs|smb\w*|nfs\w*|goofys|juicefs)"
)


def usable_cores() -> int:
    """Return how many cores this process may use: at least 1.

    Affinity (`taskset`) and the CPU quota of its control groups (containers) limit them; part of a
    core counts as one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = min(_cpu_quotas(_OWN_CGROUPS, _CGROUPS), default=math.inf)
    return max(1, min(cores, math.ceil(quota))) if quota < cores else cores


def _cpu_quotas(own: Path, root: Path) -> Iterator[float]:
    """Yield the quota, in cores, of each control group of this process and those above it.

    `own`: the file that lists its groups, a line each: number:controllers:path, where version 2 has
    number 0 and no controllers. `root`: where the groups are mounted.
    """
    try:
        lines = own.read_text().splitlines()
    except (OSError, UnicodeDecodeError):  # no control groups: not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "cpu" if controllers else root
        group = mount / path.lstrip("/")
        # In a container the path may be that of the host, and the mount the container's own group.
        groups = [group, *group.parents]
        for folder in groups[: groups.index(mount) + 1] if mount in groups else [mount]:
            with suppress(OSError, ValueError):  # the root has no quota; or "max": no limit
                if controllers:
                    quota = int((folder / "cpu.cfs_quota_us").read_text())
                    period = int((folder / "cpu.cfs_period_us").read_text())
                else:
                    quota, period = map(int, (folder / "cpu.max").read_text().split())
                if quota > 0 and period > 0:
                    yield quota / period


def file_system_of(folder: Path, mounts: bytes | None = None) -> str:
    """Return the type of the file system that `folder` is on, as Linux names it; "" if unknown.

    `mounts`: the text of /proc/mounts, by default that of this process.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_bytes()
        except OSError:  # not Linux
            return ""
        folder = folder.resolve()
    found, depth = "", -1
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        # Blanks in paths are written as octal numbers.
        name = re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), fields[1])
        point = Path(os.fsdecode(name))
        # A later mount hides an earlier one at the same place.
        if len(point.parts) >= depth and folder.is_relative_to(point):
            found, depth = fields[2].decode("ascii", "replace"), len(point.parts)
    return found


def is_network_file_system(name: str) -> bool:
    """Return whether several machines can use a file system of this type at the same time."""
    return _NETWORK.fullmatch(name) is not None


def measure_writes(folder: Path) -> tuple[float, float]:
    """Measure megabytes a second of a large synced write, and the median seconds of a small one.

    The file has 32 MB and no name, and is gone afterwards. Raises `OSError` if none can be written.
    """
    # Imported here: all commands that open an index import this module, and only one measures.
    import statistics
    import tempfile
    import time

    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        started = time.perf_counter()
        for _ in range(_MEGABYTES):
            file.write(block)
        os.fsync(file.fileno())
        speed = _MEGABYTES * 1.048576 / (time.perf_counter() - started)
        syncs = []
        for _ in range(_SYNCS):
            file.write(block[:4096])
            started = time.perf_counter()
            os.fsync(file.fileno())
            syncs.append(time.perf_counter() - started)
    return speed, statistics.median(syncs)
