"""Kills the migration of an index at each of its operations, or at each STRIDE-th.

    LD_PRELOAD=shim.so python migration_walk.py INDEX FOLDER STRIDE

Each time a copy of INDEX is brought to the format of `added_columns`, and killed meanwhile. Then it
is checked in both formats, and brought up to date without a disturbance. Prints a line for each
thing that is wrong, then the number of the last operation at which it was killed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

from support.added_columns import future_catalog
from support.on_disk import rows
from support.storage.changes import state
from support.storage.forks import forked
from vecsim.catalog import migrations
from vecsim.errors import IndexFormatError
from vecsim.index.snapshot import Snapshot
from vecsim.index.verify import verify
from vecsim.index.writer import Writer

KILL = 1  # as in shim.c
ADDED = ["9998_test_number", "9999_test_text"]


def migrate(path: Path) -> str:
    """Open the index for writing in the format of the future, and say in which format it is."""
    migrations.CATALOG = future_catalog()
    Writer(path).close()
    return format_of(path)


def format_of(path: Path) -> str:
    """Return "old" or "new" format, or what is inconsistent."""
    applied = [name for (name,) in rows(path, "SELECT name FROM _sqlite_migrations ORDER BY name")]
    columns = {row[1] for row in rows(path, "PRAGMA table_info(images)")}
    found = [name in applied for name in ADDED] + [
        name in columns for name in ("test_number", "test_text")
    ]
    if "0003_checksums" in applied and all(found):
        return "new"
    return "old" if not any(found) else f"half done: {applied} {columns}"


def check(path: Path, before: object) -> str:
    """Return what is wrong after the kill, or the format: "old" or "new"."""
    present = format_of(path)
    problems = []
    if present == "old":
        problems += list(verify(path, samples=1, seed=1))
    else:
        try:
            Snapshot(path)
            return "the older format opens the newer file"
        except IndexFormatError:
            pass
    migrations.CATALOG = future_catalog()
    problems += list(verify(path, samples=1, seed=1))
    if problems:
        return f"verify: {problems}"
    return present if state(path) == before else "it holds something else"


def main(index: Path, folder: Path, stride: int) -> None:
    shim = ctypes.CDLL(None)
    path = folder / "place" / "i"
    number, status = 1 - stride, -signal.SIGKILL
    seen = set()
    while status == -signal.SIGKILL:
        number += stride
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(index, path)
        before = state(path)

        def killed(number: int = number) -> str:
            shim.fault_arm(os.fsencode(path.parent), KILL, ctypes.c_long(number))
            return migrate(path)

        status, _ = forked(killed)
        for look, expected in (
            (partial(check, path, before), {"old", "new"}),
            (partial(migrate, path), {"new"}),
            (partial(check, path, before), {"new"}),
        ):
            ended, said = forked(look)
            seen.add(said)
            if ended or said not in expected:
                print(f"killed at {number}: {ended} {said}", flush=True)
    if status or seen != {"old", "new"}:
        print(f"ended with {status} after {seen}", flush=True)
    print(number - stride, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
