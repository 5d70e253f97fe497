"""Runs one change of an index again and again, each time with another operation that goes wrong.

    LD_PRELOAD=shim.so python walk.py CHANGE MODE FOLDER STRIDE

Of the operations that the change does to files below FOLDER, the first, then the second and so on
fails or kills the process, until none is left; STRIDE > 1 takes every so manieth. Each run is a
fork of this process, so that imports are paid for once; after each the index is looked at, and the
change is made again. Prints a line for each thing that is wrong, then the number of runs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vecsim.errors import VecsimError
from vecsim.index import sketches
from vecsim.index.verify import verify

from storage.changes import CHANGES, Change, state, states  # isort: skip

MODES = {"count": 0, "kill": 1, "torn": 2, "EIO": 3, "ENOSPC": 4}

# Segments of the walk are small, and their sketches are part of it.
sketches.LEAST_VECTORS = 4


def forked(work: Callable[[], str]) -> tuple[int, str]:
    """Do `work` in a fork: its exit status (or the signal's negative), and what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            text = work()
            status = 0
        except VecsimError as error:
            text, status = str(error), 1
        except BaseException:
            text, status = traceback.format_exc(), 2
        os.write(writing, text.encode()[:4000])
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), text


def check(path: Path, legal: list[object], *, whole: bool = True) -> str:
    """What is wrong with what an interruption left, or ""."""
    if path.exists() and whole:
        problems = list(verify(path, samples=1, seed=1))
        if problems:
            return f"verify: {problems}"
    return "" if state(path) in legal else "it holds what it never should"


def finish(change: Change, path: Path, last: object) -> str:
    """Make the change once more, undisturbed; what is wrong then, or ""."""
    change.run(path)
    found = check(path, [last])
    if found:
        return found
    left = [*path.parent.glob(".*"), *path.glob(".*"), *path.glob("*.new*")]
    left += [file for file in path.glob("segments/*") if file.suffix != ".faiss"]
    left += path.glob("sketches/.*")
    return f"left behind: {left}" if left else ""


def main(name: str, mode: str, folder: Path, stride: int) -> None:
    shim = ctypes.CDLL(None)
    change = CHANGES[name]
    template, path = folder / "template", folder / "place" / "i"
    legal: list[object] = []
    forked_states = states(change, folder)
    legal += forked_states
    change.prepare(template)
    number = runs = 0
    while True:
        number += stride
        runs += 1
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        if template.exists():
            shutil.copytree(template, path)

        def disturbed(number: int = number) -> str:
            shim.fault_arm(os.fsencode(path.parent), MODES[mode], ctypes.c_long(number))
            try:
                change.run(path)
            finally:
                reached = shim.fault_count()
            return "" if reached >= number else "none left"

        status, said = forked(disturbed)
        where = f"{name}, {mode} at {number}: "
        if status not in (0, 1, -signal.SIGKILL):
            print(f"{where}ended with {status}: {said}", flush=True)
        for look in (
            lambda: (
                check(path, legal, whole=change.damages is None) if change.damages is None else ""
            ),
            lambda: finish(change, path, legal[-1]),
        ):
            ended, wrong = forked(look)
            if ended or wrong:
                print(f"{where}({status}, {said}) {ended} {wrong}", flush=True)
        if said == "none left":
            break
    print(runs, flush=True)


if __name__ == "__main__":
    np.seterr(all="raise")
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
