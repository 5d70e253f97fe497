"""One writer and several reader processes: each reader sees complete generations only."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support import reader_process
from support.on_disk import live
from support.on_disk import rows as sql
from vecsim import Index
from vecsim.errors import VecsimError
from vecsim.index import Snapshot
from vecsim.index.writer import Writer
from vecsim.records import Embedded, ImageFacts, ImageRef

GROUP = 5
READERS = 3


class Reader:
    """A reader process, and the generations that it saw and found complete."""

    def __init__(self, path: Path) -> None:
        self.generations: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, reader_process.__file__, str(path), str(GROUP)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.generations.add(int(line))

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self._listener.join()
        self.process.stdout.close()
        return self.process.wait()


def write(index: Index, enough: Callable[[int], bool]) -> None:
    """Add, remove, merge and compact groups until `enough` of the number of changes."""
    choices = random.Random(1)
    alive = [0]
    changes = 0
    while not enough(changes):
        changes += 1
        what = choices.random()
        if what < 0.65 or len(alive) < 3:
            group = changes
            rows = reader_process.vectors_of_group(group, GROUP)
            index.add_vectors(rows, [f"{group}/{number}" for number in range(GROUP)])
            alive.append(group)
        elif what < 0.95:
            group = alive.pop(choices.randrange(len(alive)))
            index.remove(f"{group}/{number}" for number in range(GROUP))
        else:
            index.compact()


@pytest.mark.parametrize("looks", [5, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_readers_see_complete_generations(looks: int, tmp_path: Path) -> None:
    path = tmp_path / "i"
    first = reader_process.vectors_of_group(0, GROUP)
    index = Index.from_vectors(path, first, [f"0/{number}" for number in range(GROUP)])
    index.close()
    readers = [Reader(path) for _ in range(READERS)]

    def enough(changes: int) -> bool:
        seen = min(len(reader.generations) for reader in readers)
        return not all(map(Reader.is_running, readers)) or (changes >= 40 and seen >= looks)

    try:
        write(index, enough)
    finally:
        ends = [reader.stop() for reader in readers]
    assert ends == [0] * READERS, "a reader saw parts of two generations"
    assert Index.open(path).verify() == []
    assert len(live(path)) % GROUP == 0


@pytest.mark.ci
def test_opening_succeeds_while_merges_delete_files(tmp_path: Path) -> None:
    """A file may be deleted after its name was read: then the next generation is opened."""
    rows = reader_process.vectors_of_group(0, 400)
    index = Index.from_vectors(tmp_path / "i", rows[:1], ["0"])
    done = threading.Event()

    def grow() -> None:
        with Writer(index.path) as writer:
            for row in range(1, 400):
                ref = ImageRef(str(row), "")
                writer.commit([Embedded(ref, ImageFacts(), rows[row])])
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    counts = []
    while not done.is_set():
        with Snapshot(index.path) as snapshot:
            counts.append(snapshot.count)
    thread.join()
    assert len(counts) > 20
    assert counts == sorted(counts)
    index.close()


def test_a_snapshot_keeps_its_results_whatever_a_writer_does(tmp_path: Path) -> None:
    rows = reader_process.vectors_of_group(0, 40)
    ids = [f"0/{number}" for number in range(40)]
    with Index.from_vectors(tmp_path / "i", rows, ids) as index:
        before = index.query_ids("0/7", threshold=-1.0)
        everything = index.query(rows, threshold=-1.0)
        first, full = before.to_numpy().tolist(), everything.to_numpy().tolist()
        writer = Index(index.path)
        writer.remove(ids[:30])
        writer.add_vectors(-rows, [f"new{number}" for number in range(40)])
        writer.add_vectors(rows[:5], ids[:5])
        writer.compact()
        assert before.to_numpy().tolist() == first
        assert everything.to_numpy().tolist() == full
        assert len(index) == 55
        with pytest.raises(VecsimError):
            index.query_ids("0/20")


def test_compact_deletes_removed_rows_once_readers_are_closed(tmp_path: Path) -> None:
    rows = reader_process.vectors_of_group(0, 40)
    index = Index.from_vectors(tmp_path / "i", rows, list(range(40)))
    index.remove(range(10))
    index.close()
    index.compact()
    assert sql(index.path, "SELECT count(*) FROM images") == [(30,)]
    assert sql(index.path, "SELECT sum(vector_count) FROM segments") == [(30,)]
