"""A stranger's index, pictures of the user, and files of a victim that nothing may touch."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from support.security.warm_forks import WarmForks
from support.shop import picture
from support.storage.forks import forked
from vecsim.cli import main as vecsim
from vecsim.index import sketch_store

PICTURES = 9
SECONDS = 60  # of computing; ten times as many to wait
MEMORY = 4 << 30  # bytes of address space of a fork
OLD = time.time_ns() - 10**9 * 86_400 * 30

# Every command that takes an index, with the arguments that let it reach the most of it. In ids, $
# is the folder in which they run.
READING = [
    ("info", "i"),
    ("failures", "i"),
    ("failures", "i", "--warnings"),
    ("verify", "i"),
    ("query", "i", "--id", "$/pics/1.png", "-t", "0"),
    ("query", "i", "--url", "pics/2.png", "-k", "3"),
    ("match", "i", "-t", "0.2", "--report", "out/r.html"),
    ("match", "i", "sound", "-t", "0.2"),
    ("cluster", "i", "-t", "0.2", "--report", "out/c.html", "--output", "out/c.csv"),
    ("decisions", "i"),
    ("calibrate", "i", "--label", "out/l.html", "--pairs", "5"),
    ("export", "i", "--features", "out/v.npy", "--fields", "out/f.tsv"),
    ("apply", "groups.csv", "--index", "i"),
    ("cache", "list"),
]
WRITING = [
    ("add", "i", "more"),
    ("retry", "i"),
    ("refresh", "i"),
    ("sync", "i", "pics"),
    ("remove", "i", "$/pics/3.png", "--missing-ok"),
    ("thumbnails", "i"),
    ("decisions", "i", "--different", "$/pics/1.png", "$/pics/2.png"),
    ("calibrate", "i", "--labels", "answers.csv", "--apply"),
    ("import", "i", "--features", "v.npy", "--fields", "v.csv", "--model", "phash"),
    ("apply", "groups.csv", "--index", "i", "--move-to", "out/gone", "--journal", "out/journal"),
    ("undo", "out/journal"),
    ("build-index", "i", "more"),
    ("compact", "i"),
]
REPAIR = ("repair", "i")


def said_by_command(arguments: tuple[str, ...]) -> str:
    """Run a command in this process with its output sent to a file; return what is wrong, or ""."""
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        status: object = None
        try:
            vecsim(list(arguments))
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        output.seek(0)
        text = output.read().decode(errors="replace")
    if status not in (0, 1, 2, 3) or "unexpected" in text or "Traceback" in text:
        return f"{' '.join(arguments)}: status {status}: {text[-2000:]}"
    return ""


def list_to(path: Path, head: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


class World:
    """The folder `place` with an index `i`, fresh from a template each time, and `victim` beside.

    All commands are run in `place`. `base/victim` is made once; `changes()` says what has become
    different in it since.
    """

    def __init__(self, base: Path) -> None:
        sketch_store.MIN_VECTORS = 2
        self.warm = WarmForks()
        self.base, self.place = base, base / "place"
        self.index, self.victim = self.place / "i", base / "victim"
        self.template = base / "template"
        self._make_template()
        self.names = sorted(
            str(path.relative_to(self.template / "i")) for path in self.template.glob("i/**/*")
        )
        self.make_victim()

    def _make_template(self) -> None:
        self.place.mkdir()
        for folder, numbers in (("pics", range(1, PICTURES)), ("more", range(20, 22))):
            (self.place / folder).mkdir()
            for number in numbers:
                data = picture(7 if number == 8 else number)
                (self.place / folder / f"{number}.png").write_bytes(data)
        (self.place / "pics" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
        list_to(
            self.place / "groups.csv",
            ["id", "url", "group", "keep"],
            [
                [*[f"{self.place}/pics/{n}.png"] * 2, "1", keep]
                for n, keep in ((7, "yes"), (8, "no"))
            ],
        )
        answers = [
            [
                *(f"{self.place}/pics/{n}.png" for n in (a, b)),
                *("0.5", "0", "1"),
                "same" if (a, b) == (7, 8) else "different",
            ]
            for a in range(1, 8)
            for b in range(a + 1, 9)
        ]
        head = ["query_id", "reference_id", "score", "stratum_from", "stratum_to", "answer"]
        list_to(self.place / "answers.csv", head, answers)
        vectors = np.random.default_rng(0).choice([-0.125, 0.125], (3, 64)).astype(np.float32)
        np.save(self.place / "v.npy", vectors)
        list_to(
            self.place / "v.csv",
            ["id", "url"],
            [[f"v{n}", f"http://x.example/{n}"] for n in range(3)],
        )
        for command in (
            ("build-index", "i", "pics", "--model", "phash"),
            ("add", "i", "pics"),
            ("import", "i", "--features", "v.npy", "--fields", "v.csv", "--model", "phash"),
            ("decisions", "i", "--same", "$/pics/4.png", "$/pics/5.png"),
            ("remove", "i", "v1"),
        ):
            self._prepare(command)
        shutil.copytree(self.index, self.place / "sound")
        list_to(
            self.place / "v.csv",
            ["id", "url"],
            [[f"w{n}", f"http://x.example/{n}"] for n in range(3)],
        )
        (self.place / "out").mkdir()
        self.place.rename(self.template)
        for path in self.template.rglob("*"):
            os.utime(path, ns=(OLD, OLD))

    def _prepare(self, command: tuple[str, ...]) -> None:
        arguments = self._with_ids(command)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments], cwd=self.place, capture_output=True, text=True
        )
        if done.returncode not in (0, 3):
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}")

    def _with_ids(self, command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.replace("$", str(self.place)) for word in command)

    def make_victim(self) -> None:
        """Make the victim's files anew: documents, settings, and an index of its own."""
        shutil.rmtree(self.victim, ignore_errors=True)
        deep = self.victim / "docs" / "sub"
        deep.mkdir(parents=True)
        (self.victim / "docs" / "tax.txt").write_text("tax 2025\n")
        (self.victim / "docs" / "letter.odt").write_text("letter\n")
        (deep / "deep.txt").write_text("deep\n")
        (self.victim / "bashrc").write_text("export PATH=x\n")
        (self.victim / "empty").touch()
        shutil.copytree(self.template / "i", self.victim / "index")
        # Old times: file systems note a time of access only if it is later than the others.
        for path in [*self.victim.rglob("*"), self.victim]:
            os.utime(path, ns=(OLD, OLD + 10**9))
        self.note_victim()

    def warm_up(self, commands: list[tuple[str, ...]], *works: Callable[[], object]) -> None:
        """Do once here what `run` does in forks, so that they find all imported."""
        self.fresh()
        said = [partial(said_by_command, self._with_ids(command)) for command in commands]
        self.warm.warm_up([*said, *works], self.place)
        self.fresh()

    def fresh(self) -> None:
        """Make `place` anew from the template."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.template, self.place, symlinks=True)

    def note_victim(self) -> None:
        """Note the state of the victim, after an attack was applied that itself changes some of it.

        A file that the index has too, by a hard link, may be read and lose that name.
        """
        files = (path for path in self.victim.rglob("*") if path.is_file())
        shared = (path for path in files if path.stat().st_nlink > 1)
        self._shared = {str(path.relative_to(self.victim)): path.read_bytes() for path in shared}
        self._facts = self._facts_now()

    def _facts_now(self) -> dict[str, tuple[Any, ...]]:
        found = facts(self.victim)
        for name in self._shared.keys() & found.keys():
            mode, user, group, _, size, changed, *_ = found[name]
            found[name] = (mode, user, group, size, changed, (self.victim / name).read_bytes())
        return found

    def changes(self) -> list[str]:
        """Return what differs in the victim's files now."""
        now = self._facts_now()
        names = sorted(self._facts.keys() | now.keys())
        return [
            f"{name}: {self._facts.get(name)} is now {now.get(name)}"
            for name in names
            if self._facts.get(name) != now.get(name)
        ]

    def run(self, commands: list[tuple[str, ...]]) -> tuple[int, str]:
        """Run commands, one after the other, in a fork; return its status and what is wrong."""

        def work() -> str:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            os.chdir(self.place)
            self.warm.begin()
            said = (said_by_command(self._with_ids(command)) for command in commands)
            return "\n".join(filter(None, said))

        return forked(work, 10 * SECONDS)


_RUN = """
import sys
from vecsim.index import sketch_store
sketch_store.MIN_VECTORS = 2
from vecsim.cli import main
main(sys.argv[1:])
"""


def facts(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return what can be told of each file below a folder, and the folder, without opening it.

    The time of change (ctime) cannot be set by a program; the time of access shows reads.
    """
    return {str(path.relative_to(folder)): _facts_of(path) for path in _walk(folder)}


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    yield from sorted(folder.rglob("*"))


def _facts_of(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    # `facts` itself reads folders, so that their time of access changes.
    accessed = 0 if stat.S_ISDIR(status.st_mode) else status.st_atime_ns
    return (
        stat.filemode(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        accessed,
    )
