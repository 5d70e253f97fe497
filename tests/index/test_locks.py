"""One writer at a time: the second gets an error at once, or waits; readers share a lock."""

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
from vecsim.contained import ContainedPath
from vecsim.errors import IndexLockedError, StorageError, UsageError
from vecsim.index.layout import IndexFolder
from vecsim.index.locks import (
    ReaderLock,
    WriterLock,
    exclude_readers,
    exclude_writers,
    wal_damage,
)

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


def test_a_second_writer_gets_an_error_at_once(index: Index, writer: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(IndexLockedError, match=rf"process {writer.pid} .*wait=True"):
        index.remove("a")
    assert time.monotonic() - started < 5
    assert len(index) == 3, "reading needs no lock of the writer"


def test_a_second_writer_waits_no_longer_than_it_was_told(
    index: Index, writer: subprocess.Popen[str]
) -> None:
    started = time.monotonic()
    with pytest.raises(IndexLockedError, match=rf"process {writer.pid} .*after 0.3 s.*wait="):
        index.remove("a", wait=0.3)
    assert 0.3 <= time.monotonic() - started < 30
    for wait in (-1, float("nan"), "5", None):
        with pytest.raises(UsageError, match="number of seconds"):
            index.remove("a", wait=wait)  # type: ignore[arg-type]


def test_a_wait_with_a_limit_ends_as_soon_as_the_lock_is_free(
    index: Index, writer: subprocess.Popen[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert writer.stdin is not None
    threading.Timer(0.3, writer.stdin.close).start()
    started = time.monotonic()
    with caplog.at_level("INFO", "vecsim.index.locks"):
        index.remove("a", wait=60)
    assert time.monotonic() - started < 30
    assert len(index) == 2
    assert f"waiting until process {writer.pid}" in caplog.text


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


def test_the_lock_ends_with_its_process(index: Index, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()
    assert index.remove("a") == 1


def test_the_command_names_the_writer_and_fails(
    index: Index, writer: subprocess.Popen[str]
) -> None:
    command = [sys.executable, "-m", "vecsim", "remove", str(index.path), "a"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=60)
    assert done.returncode == 75
    assert f"process {writer.pid}" in done.stderr
    assert done.stderr.startswith("Error: ")


def test_a_writer_waits_for_the_locks_of_sqlite(index: Index) -> None:
    """A reader that recovers the log holds them, and a killed writer until they are released."""
    other = sqlite3.connect(
        index.path / "catalog.db", check_same_thread=False, isolation_level=None
    )
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    timer.start()
    assert index.remove("a") == 1
    timer.join()
    other.close()


# -- the locks themselves ----------------------------------------------------------------------


def test_writer_lock_names_its_process_while_it_is_held(tmp_path: Path) -> None:
    path = ContainedPath(tmp_path, ("writer.lock",))
    lock = WriterLock(path)
    assert path.path.read_text().startswith(f"process {os.getpid()} (since ")

    with pytest.raises(IndexLockedError, match=f"process {os.getpid()} "):
        WriterLock(path)

    lock.release()
    assert path.path.read_text() == ""
    WriterLock(path).release()


def test_writer_lock_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written to"):
        WriterLock(ContainedPath(tmp_path / "none", ("writer.lock",)))


def test_writers_are_excluded_unless_one_is_at_work(tmp_path: Path) -> None:
    path = ContainedPath(tmp_path, ("writer.lock",))
    with exclude_writers(path) as excluded:
        assert excluded, "without a lock file there is no writer"
    path.path.touch()
    with exclude_writers(path) as first, exclude_writers(path) as second:
        assert first and second, "several processes may exclude writers at once"
        with pytest.raises(IndexLockedError, match="another process"):
            WriterLock(path)

    lock = WriterLock(path)
    with exclude_writers(path) as excluded:
        assert not excluded
    lock.release()


def test_readers_are_excluded_unless_there_is_one(tmp_path: Path) -> None:
    path = ContainedPath(tmp_path, ("reader.lock",))
    path.path.touch()
    readers = [ReaderLock(path), ReaderLock(path)]
    assert exclude_readers(path) is None
    readers[0].release()
    assert exclude_readers(path) is None

    readers[1].release()

    file = exclude_readers(path)
    assert file is not None
    file.close()
    with pytest.raises(StorageError, match="cannot be opened"):
        exclude_readers(ContainedPath(tmp_path / "none", ("reader.lock",)))


def test_a_reader_needs_no_lock_file(tmp_path: Path) -> None:
    lock = ReaderLock(ContainedPath(tmp_path, ("reader.lock",)))
    lock.release()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_damage_of_the_log_is_left_to_a_writer_at_work(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path)
    connection = sqlite3.connect(folder.catalog.path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    log = folder.catalog.path.with_name("catalog.db-wal")
    kept = log.read_bytes()
    assert wal_damage(folder, folder.catalog) is None
    connection.close()
    changed = bytearray(kept)
    changed[200] ^= 1  # in the first page of the log
    log.write_bytes(changed)
    folder.writer_lock.path.touch()

    assert wal_damage(folder, folder.catalog) is not None
    lock = WriterLock(folder.writer_lock)
    assert wal_damage(folder, folder.catalog) is None
    lock.release()
