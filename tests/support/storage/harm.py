"""Damages the files of an index one after the other, and runs every command on the result.

    python harm.py FOLDER KINDS STEP SEED

Each region of STEP bytes of each file of one of KINDS has one byte flipped at a random place, and
the file is cut there; each time on a fresh copy. Then `verify` must name the file, unless nothing
that the index says has changed; every command must end in its work or in a clear error; `repair`
must keep what is whole, and adding what it lost must restore all. Prints a line for each thing that
is wrong, then the number of damages and of those that changed nothing.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import faiss  # noqa: F401  (so that forks need not import it)
import numpy as np

from support.on_disk import rows
from support.storage.changes import (
    FINGERPRINT,
    apply,
    calibrate,
    commit,
    failure,
    image,
    listed,
    refresh,
    remove,
    state,
    sync_list,
)
from support.storage.forks import forked
from vecsim.cli import main as vecsim
from vecsim.errors import VecsimError
from vecsim.index import sketch_store
from vecsim.index.layout import create_index
from vecsim.index.repair import repair
from vecsim.index.verify import verify
from vecsim.index.writer import Writer

sketch_store.MIN_VECTORS = 4
GROUPS = [range(30), range(30, 50), range(50, 60), range(60, 64)]
REMOVED = range(10, 14)

COMMANDS = [
    ("info", "i"),
    ("failures", "i"),
    ("match", "i", "-t", "0.5", "--report", "r.html"),
    ("query", "i", "--id", "5", "-t", "0"),
    ("query", "i", "--id", "55", "-k", "3"),
    ("export", "i", "--features", "v.npy", "--fields", "f.tsv"),
    ("remove", "i", "40", "--missing-ok"),
    ("compact", "i"),
    ("match", "i", "-t", "0.5"),
]


def refresh_some(path: Path) -> None:
    with Writer(path) as writer:
        if len(writer.catalog.images.by_id(["0", "1", "2", "3"])) == 4:  # or damage hides some
            refresh(writer)


def sync_some(path: Path) -> None:
    listed(path, range(40), "other")
    sync_list(path)


# What `refresh`, `sync`, `calibrate --apply` and `apply` do to an index, without their models.
CHANGING = [refresh_some, sync_some, calibrate, apply]


def make(path: Path) -> None:
    """Build an index of several segments with sketches, removed images, failures and a WAL."""

    def work() -> str:
        create_index(path, FINGERPRINT)
        writer = Writer(path)
        for numbers in GROUPS[:-1]:
            commit([image(number) for number in numbers], [failure(90), failure(91)])(writer)
        writer.close()
        writer = Writer(path)
        remove(REMOVED)(writer)
        commit([image(number) for number in GROUPS[-1]])(writer)
        os._exit(0)  # as if killed: the log stays

    forked(work)


def complete(path: Path) -> None:
    """Add the images that are not in the index, as the command that built it does."""
    with Writer(path) as writer:
        remove(REMOVED)(writer)
        for numbers in GROUPS:
            new = [image(number) for number in numbers if number not in REMOVED]
            commit(new, [failure(90), failure(91)])(writer)


def files_of(path: Path, kind: str) -> list[Path]:
    return {
        "catalog": [path / "catalog.db"],
        "log": [path / "catalog.db-wal"],
        "segment": sorted(path.glob("segments/*.faiss")),
        "sketch": sorted(path.glob("sketches/*/*")),
        "fingerprint": [path / "fingerprint.json"],
        "lock": sorted(path.glob("*.lock")),
        "thumbnails": [path / "thumbnails.db"],
        "thumbnails-log": [path / "thumbnails.db-wal"],
    }[kind]


def harms(size: int, step: int, choices: random.Random) -> Iterator[tuple[str, int]]:
    """A flip and a cut in each region of `step` bytes."""
    for start in range(0, max(size, 1), step):
        at = choices.randrange(start, max(start + 1, min(start + step, size)))
        if at < size:
            yield "flipped", at
            yield "cut", at


def do_harm(file: Path, how: str, at: int) -> None:
    if how == "cut":
        os.truncate(file, at)
        return
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << (at % 8)
    file.write_bytes(data)


def json_of(fields: Mapping[str, str]) -> str:
    return json.dumps(dict(fields), separators=(",", ":"))


class Harmed:
    """Damages copies of one index, one place after the other."""

    def __init__(self, folder: Path) -> None:
        self.template, self.path = folder / "template", folder / "place" / "i"
        make(self.template)
        self.whole = self._state_of_copy()
        self.complete = self._state_of_copy(complete)
        self.images = {row[0]: row for row in self.complete[0]}
        # Where the log is lost, so may be the removal that it told of.
        self.removed = {
            each.ref.id: (
                each.ref.id,
                each.ref.url,
                json_of(each.ref.fields),
                each.vector.tobytes(),
            )
            for each in map(image, REMOVED)
        }
        self.harmless = self._damages = 0

    def _state_of_copy(self, work: Callable[[Path], object] = lambda path: None) -> tuple:
        self.copy()
        work(self.path)
        return state(self.path)  # type: ignore[return-value]

    def copy(self) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)
        shutil.copytree(self.template, self.path)

    def problems(self, name: str, how: str, at: int, kind: str) -> Iterator[str]:
        """Return all that is wrong after one damage."""
        file = self.path / name
        self.copy()
        do_harm(file, how, at)
        status, text = forked(lambda: json.dumps([str(p.file) for p in verify(self.path, seed=1)]))
        if status:
            yield f"verify ended with {status}: {text}"
            return
        named = set(json.loads(text))
        harmless = False
        if not named:
            status, text = forked(lambda: str(state(self.path) == self.whole))
            harmless = text == "True"
            self.harmless += harmless
            # A log that was cut is the log of a process that was killed earlier.
            if not harmless and (kind, how) not in (("log", "cut"), ("thumbnails-log", "cut")):
                yield "verify finds nothing"
        elif kind == "sketch" and {Path(each).parent for each in named} == {file.parent}:
            pass  # the checksum or its file has changed: it cannot be told which
        elif str(file) not in named and kind not in ("log", "thumbnails-log"):
            yield f"verify names {named}"
        self.copy()
        do_harm(file, how, at)
        self._damages += 1
        status, text = forked(self._ask_everything)
        if status or text:
            yield f"ended with {status}: {text}"
        self.copy()
        do_harm(file, how, at)
        yield from self._repair(name, how, kind, harmless)

    def _ask_everything(self) -> str:
        """Run all commands in this process; what none of them may say, or how it may not end.

        Each time another of the changes is the first, which meets the damage as it was done.
        """
        os.chdir(self.path.parent)
        wrong = []
        first = self._damages % len(CHANGING)
        for change in CHANGING[first:] + CHANGING[:first]:
            try:
                change(self.path)
            except VecsimError:
                pass
            except Exception as error:
                wrong.append(f"{change.__name__}: {error!r}")
        for command in COMMANDS:
            said = io.StringIO()
            with redirect_stderr(said), redirect_stdout(io.TextIOWrapper(io.BytesIO())):
                try:
                    vecsim(list(command))
                except SystemExit as end:
                    if end.code not in (0, 1):
                        wrong.append(f"{command} ends with {end.code}")
            if "itself failed" in said.getvalue() or "Traceback" in said.getvalue():
                wrong.append(f"{command}: {said.getvalue()}")
        return "\n".join(wrong)

    def _repair(self, name: str, how: str, kind: str, harmless: bool) -> Iterator[str]:
        def work() -> str:
            done = repair(self.path)
            return json.dumps([done.kept, done.lost, done.orphaned])

        status, text = forked(work)
        if status == 1 and kind == "catalog" and "nothing can be read" in text and how == "cut":
            return
        if status:
            yield f"repair ended with {status}: {text}"
            return
        kept, lost, orphaned = json.loads(text)
        status, text = forked(lambda: "\n".join(self._after_repair(name, kind, kept)))
        if status or text:
            yield f"after repair ({kept} kept, {lost} lost, {orphaned} orphaned) {status}: {text}"

    def _after_repair(self, name: str, kind: str, kept: int) -> Iterator[str]:
        found = list(verify(self.path, seed=1))
        if found:
            yield f"verify: {found}"
        images, _, thumbnails, *_ = state(self.path)  # type: ignore[misc]
        if any(image(int(id_)).thumbnail != webp for id_, webp in thumbnails.items()):
            yield "a thumbnail is not what it was"
        known = self.images if kind != "log" else self.images | self.removed
        if any(known.get(row[0]) != row for row in images):
            yield "an image is not what it was"
        failed = dict(rows(self.path, "SELECT id, url FROM failures WHERE kind = 'lost'"))
        if any(self.images[id_][1] != url for id_, url in failed.items()):
            yield "a lost image has another's URL"
        total = len(self.images)
        if kind == "segment":
            first, last = (int(part) for part in Path(name).name.split(".")[0].split("-"))
            # Keys are numbers from 1 on, in the order of the groups.
            gone = {str(key - 1) for key in range(first, last + 1)} - set(map(str, REMOVED))
            if set(self.images) - {row[0] for row in images} != gone or set(failed) != gone:
                yield f"{sorted(gone)} should be lost, {sorted(failed)} are, {kept} kept"
        elif kind not in ("log", "catalog") and kept != total:
            yield f"{kept} of {total} kept"
        complete(self.path)
        # Thumbnails that are lost alone are not what adding brings back.
        parts = slice(2 if kind.startswith("thumbnails") else 3)
        if state(self.path)[parts] != self.complete[parts]:  # type: ignore[index]
            yield "adding what was lost does not restore all"
        yield from (f"in the end: {problem}" for problem in verify(self.path, seed=1))


def main(folder: Path, kinds: str, step: int, seed: int) -> None:
    harmed = Harmed(folder)
    choices = random.Random(seed)
    count = 0
    for kind in kinds.split(","):
        for template in files_of(harmed.template, kind):
            name = str(template.relative_to(harmed.template))
            for how, at in harms(template.stat().st_size, step, choices):
                count += 1
                for problem in harmed.problems(name, how, at, kind):
                    print(f"{name} {how} at {at}: {problem}", flush=True)
    print(count, harmed.harmless, flush=True)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
