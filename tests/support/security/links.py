"""Puts links, pipes, sockets and foreign names in the place of parts of an index; runs commands.

    python links.py FOLDER COUNT SEED

Each time a fresh copy of an index gets one to four of them, chosen at random; then every command is
run on it. Prints a line for each command that hung, crashed or failed without a clear error, and
for each file of the victim beside the index that was changed, read or created; then the count.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import faiss  # noqa: F401  (so that forks need not import it)

from support.security.world import READING, REPAIR, WRITING, World

# Names that vecsim gives beside those of the template: of a log, of leftovers, of later files.
MORE_NAMES = [
    *(f"catalog.db{end}" for end in ("-wal", "-shm", "-journal")),
    *(f"thumbnails.db{end}" for end in ("-wal", "-shm", "-journal")),
    "damaged",
    "damaged/1",
    ".catalog.db.0a1b2c3d.part",
    ".catalog.db.0a1b2c3d.part-wal",
    ".thumbnails.db.0a1b2c3d.part",
    ".fingerprint.json.0a1b2c3d.part",
    "segments/000000000900-000000000901.2.faiss",
    "segments/000000000900-000000000901.99.faiss",
    "segments/.000000000001-000000000009.1.faiss.0a1b2c3d.part",
    "sketches/000000000900-000000000901.2.faiss",
    "sketches/.000000000001-000000000009.1.faiss.0a1b2c3d.part",
    "sketches/notes",
    "segments/notes",
    "notes",
]


class Attack:
    """Changes an index as a stranger could have made it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.done: list[str] = []

    def apply(self) -> None:
        for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
            self.chance.choice((self.replace, self.replace, self.replace, self.name))()

    def replace(self) -> None:
        """Put something else in the place of a part of the index."""
        name = self.chance.choice([*self.world.names, *MORE_NAMES])
        path = self.world.index / name
        what = self.chance.choice(
            (
                self._link,
                self._link,
                self._link,
                self._pipe,
                self._socket,
                self._hard_link,
                self._empty,
            )
        )
        # Its folder is no folder any more, or a link to itself (a RuntimeError up to Python 3.12).
        with suppress(OSError, RuntimeError):
            if not path.parent.resolve().is_relative_to(self.world.index):
                return
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.done.append(f"{name}: {what(path, name)}")

    def _link(self, path: Path, name: str) -> str:
        victim = self.world.victim
        target = self.chance.choice(
            [
                victim / "docs",
                victim / "docs" / "sub",
                victim / "docs" / "tax.txt",
                victim / "bashrc",
                victim / "empty",
                victim / "created",
                victim / "docs" / "created" / "deep",
                victim,
                victim / "index" / name,
                victim / "index" / name,
                victim / "index" / self.chance.choice(self.world.names),
                self.world.index / self.chance.choice(self.world.names),
                path,
                Path("/dev/zero"),
                Path("/dev/full"),
            ]
        )
        if self.chance.random() < 0.5 and not str(target).startswith("/dev"):
            target = Path(os.path.relpath(target, path.parent))
        path.symlink_to(target)
        return f"link to {target}"

    def _pipe(self, path: Path, name: str) -> str:
        os.mkfifo(path)
        return "pipe"

    def _socket(self, path: Path, name: str) -> str:
        with closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(os.path.relpath(path))
        return "socket"

    def _hard_link(self, path: Path, name: str) -> str:
        same = self.world.victim / "index" / name
        target = self.chance.choice([self.world.victim / "bashrc", same])
        if not target.is_file():
            target = self.world.victim / "bashrc"
        path.hardlink_to(target)
        return f"hard link to {target}"

    def _empty(self, path: Path, name: str) -> str:
        path.mkdir()
        return "folder"

    def name(self) -> None:
        """Give a segment another name in the catalog, which leads to a file elsewhere."""
        elsewhere = sorted((self.world.victim / "index" / "segments").iterdir())
        place = os.path.relpath(self.chance.choice(elsewhere), self.world.index / "segments")
        name = self.chance.choice(
            [
                place,
                str(elsewhere[0]),
                "../../../victim/bashrc",
                "..",
                ".",
                "",
                "a/b",
                "x\0y",
                "docs",
            ]
        )
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(self.world.index / "catalog.db")) as sql,
            sql,
        ):
            sql.execute(
                "UPDATE segments SET name = ?, checksum = NULL WHERE rowid = "
                "(SELECT rowid FROM segments ORDER BY random() LIMIT 1)",
                [name],
            )
            self.done.append(f"segment called {name!r}")


def main(base: Path, count: int, seed: int) -> None:
    world = World(base)
    os.chdir(base)
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        world.fresh()
        attack = Attack(world, chance)
        attack.apply()
        world.note_victim()
        writing = chance.sample(WRITING, len(WRITING))
        commands = [*chance.sample(READING, len(READING)), *writing, REPAIR]
        commands += [("verify", "i"), *chance.sample(WRITING, 3)]
        status, wrong = world.run(commands)
        changed = world.changes()
        if status or wrong or changed:
            print(f"attack {number}: {attack.done}: {status} {wrong} {changed}", flush=True)
            world.make_victim()
    print(count, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
