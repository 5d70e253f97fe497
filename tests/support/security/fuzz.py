"""Changes an index at random and runs a command on it, again and again.

    python fuzz.py FOLDER COUNT SEED [FIRST]

Each time a fresh copy gets one or two changes of `mutate_index.py`, and one command is run on it in
a fork of this process, with limits of time and memory. Prints a line for each that crashed, hung,
failed without a clear error or touched a file outside the index; then the count. Mutants have
numbers from FIRST (0) on, so that parts of a long run add up; standard error tells how far it is.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  (so that forks need not import it)
import numpy as np

from support.security.mutate_index import change_index
from support.security.world import World, facts
from support.storage.forks import forked
from vecsim.errors import IndexDamagedError
from vecsim.index.repair import repair
from vecsim.index.writer import Writer
from vecsim.records import Embedded, ImageFacts, ImageRef

SECONDS = 30
COMMANDS = [
    ("info", "i"),
    ("query", "i", "--id", "$/pics/1.png", "-t", "0"),
    ("query", "i", "--url", "pics/2.png", "-k", "3"),
    ("match", "i", "-t", "0.2", "--report", "out/r.html"),
    ("verify", "i"),
    ("repair", "i"),
    ("add",),
]
CHECKED_AFTER = 25  # mutants: the files outside the index
TOLD_AFTER = 100  # mutants
WITH_LOG = 0.2  # of the mutants are of an index that a killed writer left


def add(path: Path) -> None:
    """Add an image, as the command does once it is decoded, and remove one."""
    vector = np.full(64, 0.125, np.float32)
    with Writer(path) as writer:
        facts_ = ImageFacts(sha256="a" * 64, byte_count=9)
        writer.commit([Embedded(ImageRef("new", "new.png", {"a": "b"}), facts_, vector, b"webp")])
        writer.remove(["new"])


class Fuzz:
    """Runs commands on changed copies of an index in `world`."""

    def __init__(self, base: Path) -> None:
        self.world = world = World(base)
        world.fresh()
        self.place, self.index = world.place, world.index
        self.logged = base / "logged"
        self._leave_log()
        commands = [command for command in COMMANDS if len(command) > 1]
        world.warm_up(commands, self._add_here, self._repair_here)
        self._outside: dict[str, tuple[Any, ...]] = {}
        self.touched()

    def _leave_log(self) -> None:
        """Make a copy of the index whose last commits are in SQLite's logs."""

        def work() -> str:
            writer = Writer(self.index)
            vector = np.full(64, 0.125, np.float32)
            writer.commit([Embedded(ImageRef("log", "l.png"), ImageFacts(), vector, b"webp")])
            os.kill(os.getpid(), signal.SIGKILL)
            return ""

        forked(work)
        shutil.copytree(self.index, self.logged)

    def run(self, number: int, seed: int) -> str:
        """Make and try mutant `number`; return what is wrong, or ""."""
        chance = random.Random(f"{seed} {number}")
        shutil.rmtree(self.index)
        logged = chance.random() < WITH_LOG
        shutil.copytree(self.logged if logged else self.world.template / "i", self.index)
        done = [change_index(self.index, chance) for _ in range(chance.choice((1, 1, 2)))]
        command = chance.choice(COMMANDS)
        status, wrong = self.world.run([command]) if len(command) > 1 else self._add()
        return f"mutant {number}: {done}: {command}: {status} {wrong}" if status or wrong else ""

    def touched(self) -> list[str]:
        """Return what has changed outside the index since the last call."""
        folders = (self.world.base, self.place, self.place / "pics")
        names = {str(folder): tuple(sorted(os.listdir(folder))) for folder in folders}
        found = {**facts(self.world.victim), **facts(self.place / "sound"), **names}
        before, self._outside = self._outside or found, found
        return [
            name for name in before.keys() | found.keys() if before.get(name) != found.get(name)
        ]

    def _add_here(self) -> None:
        add(self.index)

    def _repair_here(self) -> None:
        os.truncate(self.index / "catalog.db", 3 * 4096)
        with suppress(IndexDamagedError):
            repair(self.index)

    def _add(self) -> tuple[int, str]:
        status, text = forked(lambda: str(add(self.index) or ""), SECONDS)
        return (0, "") if status == 1 else (status, text.replace("None", ""))


def main(base: Path, count: int, seed: int, first: int = 0) -> None:
    os.environ["PYTHONWARNINGS"] = "ignore"
    tempfile.tempdir = str(base)  # in memory, as the indexes are; the files there have no name
    fuzz = Fuzz(base)
    began = time.monotonic()
    for number in range(first, first + count):
        wrong = fuzz.run(number, seed)
        if wrong:
            print(wrong, flush=True)
        if number % CHECKED_AFTER == CHECKED_AFTER - 1 or number == first + count - 1:
            fuzz.world.warm.check()
            touched = fuzz.touched()
            if touched:
                print(f"one of the mutants up to {number} touched {touched}", flush=True)
        if number % TOLD_AFTER == TOLD_AFTER - 1:
            print(f"{number + 1}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(count, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
