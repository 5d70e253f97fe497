"""Runs one change of an index repeatedly; each time another file operation fails.

    LD_PRELOAD=shim.so python walk.py CHANGE MODE,… FOLDER STRIDE

Of the operations that the change does to files below FOLDER, the first, then the second and so on
fails or kills the process, until none is left; with a STRIDE of n only every n-th operation. Each
run is a fork of this process, which has imported everything; after each the index is checked, and
the change is made again. Prints a line for each thing that is wrong, then the number of runs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from support.storage.changes import CHANGES, Change, state, states
from support.storage.forks import forked
from vecsim.index import sketch_store
from vecsim.index.verify import verify

MODES = {"kill": 1, "torn": 2, "EIO": 3, "ENOSPC": 4}  # as in shim.c


def check(path: Path, legal: list[object]) -> str:
    """Return what is wrong with the files after an interruption, or ""."""
    if path.exists():
        problems = list(verify(path, samples=1, seed=1))
        if problems:
            return f"verify: {problems}"
    return "" if state(path) in legal else "it holds what it never should"


def finish(change: Change, path: Path, last: object) -> str:
    """Make the change again without a fault; return what is wrong then, or ""."""
    change.run(path)
    found = check(path, [last])
    if found:
        return found
    left = [*path.parent.glob(".*"), *path.glob(".*"), *path.glob("*.part*")]
    left += [file for file in path.glob("segments/*") if file.suffix != ".faiss"]
    left += path.glob("sketches/.*")
    return f"left behind: {left}" if left else ""


def walk(name: str, mode: str, folder: Path, stride: int, legal: list[object]) -> int:
    """Interrupt a change at each operation in one mode; returns the number of runs."""
    shim = ctypes.CDLL(None)
    change = CHANGES[name]
    template, path = folder / "template", folder / "place" / "i"
    number = runs = 0
    said = ""
    while said != "none left":
        number += stride
        runs += 1
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        if template.exists():
            shutil.copytree(template, path)

        def disturbed(number: int = number) -> str:
            shim.fault_arm(os.fsencode(path.parent), MODES[mode], ctypes.c_long(number))
            change.run(path)
            return "" if shim.fault_count() >= number else "none left"

        status, said = forked(disturbed)
        where = f"{name}, {mode} at {number}: "
        if status not in (0, 1, -signal.SIGKILL):
            print(f"{where}ended with {status}: {said}", flush=True)
        looks: list[Callable[[], str]] = [lambda: finish(change, path, legal[-1])]
        if change.damages is None:
            looks.insert(0, lambda: check(path, legal))
        for look in looks:
            ended, wrong = forked(look)
            if ended or wrong:
                print(f"{where}({status}, {said}) {ended} {wrong}", flush=True)
    return runs


def main(name: str, modes: str, folder: Path, stride: int) -> None:
    # Segments of the walk are small, and their sketches are part of it.
    sketch_store.MIN_VECTORS = 4
    legal = states(CHANGES[name], folder)
    CHANGES[name].prepare(folder / "template")
    print(sum(walk(name, mode, folder, stride, legal) for mode in modes.split(",")), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
