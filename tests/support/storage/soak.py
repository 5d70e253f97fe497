"""Adds, replaces, removes, compacts, queries and kills in several processes; compares with dicts.

    PYTHONPATH=tests python tests/support/storage/soak.py FOLDER SECONDS

Writers own groups of images of their own and keep a journal: what they are about to do, and that it
is done. One writer and one reader run from the first to the last second and say how much memory and
how many files they hold; the others are killed again and again, and carry on from their journals.
In the end the index must hold exactly what the journals say. Prints figures; exit status 1 if
anything is wrong.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from support.storage.soak_model import DIM, GROUP, Model, apply, held, images, replay
from vecsim.index import Snapshot
from vecsim.index.layout import create_index
from vecsim.index.verify import verify
from vecsim.index.writer import Writer
from vecsim.operations.querying import query_ids
from vecsim.operations.requests import SearchRequest
from vecsim.records import Fingerprint

MOST_GROUPS = 40  # of one writer at a time
WRITERS = 3  # the first is never killed
READERS = 2  # nor is the first of these
SLACK = 16 << 20  # by which the memory of a lasting process may grow besides 10 %


# -- writers ---------------------------------------------------------------------------------------


def write(path: Path, who: str, seed: int) -> None:
    """Change the index until told to stop; journal each change before and after."""
    journal = path.parent / f"{who}.journal"
    model, pending, number = replay(journal)
    choices = random.Random(seed)
    # A process that is killed while it writes a line leaves an incomplete line.
    if journal.exists():
        text = journal.read_bytes()
        os.truncate(journal, text.rfind(b"\n") + 1)
    with journal.open("ab", buffering=0) as log:

        def say(entry: dict[str, object]) -> None:
            log.write(json.dumps(entry).encode() + b"\n")

        if pending is not None:
            with Snapshot(path) as snapshot:
                found = {g: v for g, v in held(snapshot).items() if g.startswith(f"{who}/")}
            after = dict(model)
            apply(after, pending)
            assert found in (model, after), f"{who}: neither before nor after {pending}"
            say({"what": "done" if found == after else "undone"})
            model = found
        while not (path.parent / "stop").exists():
            what = choices.choice(["add", "add", "add", "remove", "replace", "compact"])
            if what == "compact" and choices.random() < 0.8:
                continue
            if len(model) < 3:
                what = "add"
            elif what == "add" and len(model) >= MOST_GROUPS:
                what = "remove"
            group = f"{who}/{number}" if what == "add" else choices.choice(sorted(model))
            version = model.get(group, 0) + 1
            number += what == "add"
            entry = {"what": what, "group": group, "version": version}
            say(entry)
            with Writer(path, wait=True) as writer:
                if what == "compact":
                    writer.compact()
                elif what == "remove":
                    removed = writer.remove(f"{group}/{number}" for number in range(GROUP))
                    assert removed == GROUP, f"{group}: {removed} removed"
                else:
                    writer.commit(images(group, version))
            apply(model, entry)
            say({"what": "done"})
            measure(path, who)
            time.sleep(choices.uniform(0, 0.05))


# -- readers ---------------------------------------------------------------------------------------


def read(path: Path, who: str, seed: int) -> None:
    """Check one snapshot after the other until told to stop."""
    choices = random.Random(seed)
    rounds = 0
    while not (path.parent / "stop").exists():
        with Snapshot(path) as snapshot:
            held(snapshot)
            if snapshot.count:
                _, stored = snapshot.slice(0, snapshot.count)
                at = choices.randrange(snapshot.count)
                row = next(iter(snapshot.rows(snapshot.slice(at, at + 1)[0].tolist()).values()))
                scores = stored.astype(np.float64) @ stored[at].astype(np.float64)
                found = len(query_ids(snapshot, [row.ref.id], SearchRequest(0.5)).to_numpy())
                least, most = (scores >= 0.500001).sum() - 1, (scores >= 0.499999).sum() - 1
                assert least <= found <= most, f"{found} matches, not {least} to {most}"
        rounds += 1
        if rounds % 20 == 0:
            problems = list(verify(path, samples=1))
            assert not problems, f"verify: {problems}"
        measure(path, who, rounds)
        time.sleep(choices.uniform(0, 0.3))


def measure(path: Path, who: str, rounds: int = 0) -> None:
    """Record the memory and the number of open files of this process."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    files = len(os.listdir("/proc/self/fd"))
    with (path.parent / f"{who}.measures").open("a") as log:
        log.write(f"{resident} {files} {rounds}\n")


# -- the whole -------------------------------------------------------------------------------------


@dataclass
class Soak:
    folder: Path
    seconds: float
    random: random.Random = field(default_factory=lambda: random.Random(1))
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: int = 0
    kills: int = 0

    def start(self, who: str) -> None:
        self.starts += 1
        command = [sys.executable, __file__, str(self.folder), who, str(self.starts)]
        self.running[who] = subprocess.Popen(command, stderr=subprocess.PIPE)

    def run(self) -> list[str]:
        """Run all processes; returns what is wrong."""
        path = self.folder / "i"
        create_index(path, Fingerprint("external", "", "", DIM))
        names = [f"writer{n}" for n in range(WRITERS)] + [f"reader{n}" for n in range(READERS)]
        for who in names:
            self.start(who)
        until = time.monotonic() + self.seconds
        wrong: list[str] = []
        while time.monotonic() < until and not wrong:
            time.sleep(self.random.uniform(0.2, 3))
            who = self.random.choice([name for name in names if not name.endswith("0")])
            wrong += self._ended()
            if not wrong:
                process = self.running[who]
                process.send_signal(signal.SIGKILL)
                process.communicate()
                self.kills += 1
                self.start(who)
        (self.folder / "stop").touch()
        for who, process in self.running.items():
            _, said = process.communicate(timeout=120)
            if process.returncode:
                wrong.append(f"{who} ended with {process.returncode}: {said.decode()[-2000:]}")
        return wrong or [*self._differences(path), *self._growth()]

    def _ended(self) -> list[str]:
        """Return the processes that ended without being told to."""
        return [
            f"{who} ended with {process.returncode}: {process.communicate()[1].decode()[-2000:]}"
            for who, process in self.running.items()
            if process.poll() is not None
        ]

    def _differences(self, path: Path) -> list[str]:
        expected: Model = {}
        changes = 0
        for number in range(WRITERS):
            journal = self.folder / f"writer{number}.journal"
            model, pending, _ = replay(journal)
            assert pending is None
            changes += journal.read_text().count('"done"')
            expected |= model
        with Snapshot(path) as snapshot:
            found = held(snapshot)
        print(f"{changes:,} changes, {self.kills} kills, {len(found)} groups in the end")
        lost = {group for group in expected if found.get(group) != expected[group]}
        invented = found.keys() - expected.keys()
        wrong = [f"lost: {sorted(lost)}"] if lost else []
        wrong += [f"invented: {sorted(invented)}"] if invented else []
        return wrong + [f"verify: {problem}" for problem in verify(path)]

    def _growth(self) -> list[str]:
        """Return what the two lasting processes use more of at the end: memory, files."""
        wrong = []
        for who in ("writer0", "reader0"):
            lines = (self.folder / f"{who}.measures").read_text().splitlines()
            measures = np.array([line.split() for line in lines], np.int64)
            early, late = (np.array_split(measures, 5)[part] for part in (1, 4))
            # Medians: how many segments are open varies from moment to moment, a leak only grows.
            memory, files = (
                [int(median(part[:, column].tolist())) for part in (early, late)]
                for column in (0, 1)
            )
            print(
                f"{who}: {len(measures):,} rounds, {memory[0] / 1e6:.0f} MB early, "
                f"{memory[1] / 1e6:.0f} MB late; files {files[0]}, {files[1]}"
            )
            if memory[1] > memory[0] * 1.1 + SLACK or files[1] > files[0] + 2:
                wrong.append(f"{who} grew: memory {memory}, files {files}")
        return wrong


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) == 3:
        wrong = Soak(folder, float(sys.argv[2])).run()
        print("\n".join(wrong) or "nothing lost, nothing invented")
        sys.exit(bool(wrong))
    who, seed = sys.argv[2], int(sys.argv[3])
    (write if who.startswith("writer") else read)(folder / "i", who, seed)


if __name__ == "__main__":
    main()
