"""One writer at a time: the second is told so at once, or waits."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index
from vecsim.errors import IndexLockedError

HOLD = """
import sys
from pathlib import Path
from vecsim.index.writer import Writer
with Writer(Path(sys.argv[1])):
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.from_vectors(tmp_path / "i", np.eye(3), ["a", "b", "c"]) as index:
        yield index


@pytest.fixture
def writer(index: Index) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes to the index until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(index.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_at_once(index: Index, writer: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(IndexLockedError, match=rf"process {writer.pid} .*wait=True"):
        index.remove("a")
    assert time.monotonic() - started < 5
    assert len(index) == 3, "readers do not mind"


def test_a_second_writer_may_wait(index: Index, writer: subprocess.Popen[str]) -> None:
    done = threading.Event()

    def remove() -> None:
        index.remove("a", wait=True)
        done.set()

    thread = threading.Thread(target=remove)
    thread.start()
    assert not done.wait(0.5)
    assert writer.stdin is not None
    writer.stdin.close()
    thread.join(60)
    assert done.is_set()
    assert len(index) == 2


def test_the_lock_dies_with_its_process(index: Index, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()
    assert index.remove("a") == 1


def test_the_command_says_it_and_fails(index: Index, writer: subprocess.Popen[str]) -> None:
    command = [sys.executable, "-m", "vecsim", "remove", str(index.path), "a"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=60)
    assert done.returncode == 1
    assert f"process {writer.pid}" in done.stderr
    assert done.stderr.startswith("Error: ")


def test_a_writer_waits_while_sqlite_is_held_by_a_reader_or_the_dying(index: Index) -> None:
    """As while a reader recovers the log, or a killed writer's locks go one after the other."""
    other = sqlite3.connect(
        index.path / "catalog.db", check_same_thread=False, isolation_level=None
    )
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    timer.start()
    assert index.remove("a") == 1
    timer.join()
    other.close()
