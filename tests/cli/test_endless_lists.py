"""Lists that never end, or keep a reader waiting: signals are answered, completed work is kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.servers import HostileServer
from vecsim.index import Snapshot

LONG = 20.0
"""Seconds: an answer takes less than two on a machine that has time for it."""

Start = Callable[..., "subprocess.Popen[bytes]"]


def _wait_until_waiting(process: subprocess.Popen[bytes]) -> None:
    """Wait until the command handles signals itself: then it reads its list."""
    deadline = time.monotonic() + 60
    while not _caught_signals(process.pid) & 1 << signal.SIGTERM - 1:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)


def _caught_signals(pid: int) -> int:
    """Return the signals for which a process has handlers, as the kernel writes them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(
        next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [("match", "pipe.csv"), ("build-index", "new", "-")])
@pytest.mark.ci
def test_a_list_that_never_comes_is_interrupted(
    words: tuple[str, ...], number: int, start: Start, workplace: Path
) -> None:
    os.mkfifo("pipe.csv")
    process = start(*words, stdin=subprocess.PIPE)
    _wait_until_waiting(process)

    begin = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=60)

    assert time.monotonic() - begin < LONG
    assert process.returncode == 130
    assert b"Interrupted." in process.stderr.read()  # type: ignore[union-attr]


@pytest.mark.ci
def test_a_list_that_stops_coming_ends_in_order(
    start: Start, server: HostileServer, workplace: Path
) -> None:
    process = start("build-index", "new", "-", stdin=subprocess.PIPE)
    rows = "".join(f"{n},{server.url(f'/{1 + n % 6}.jpg')},{'x' * 300}\n" for n in range(600))
    assert process.stdin is not None
    process.stdin.write(f"id,url,text\n{rows}".encode())
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while len(server.seen.paths) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    begin = time.monotonic()
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)

    assert time.monotonic() - begin < LONG
    assert process.returncode == 130
    assert process.stderr is not None
    assert "Stopping: committing completed work" in process.stderr.read().decode()
    with Snapshot(Path("new")) as snapshot:
        assert snapshot.count + len(list(snapshot.catalog.failures.all())) <= 600


@pytest.mark.ci
def test_a_list_of_zeros_or_of_endless_lines_is_refused(process, workplace: Path) -> None:
    zeros = process("build-index", "new", "/dev/zero")
    assert zeros.status == 1
    assert "/dev/zero" in zeros.err

    command = f"tr '\\0' x < /dev/zero | {sys.executable} -m vecsim build-index new -"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    assert "is longer than 16,777,216 characters" in ran.stderr


@pytest.mark.ci
def test_a_hangup_that_is_ignored_stays_ignored(pictures: Path) -> None:
    command = f"nohup {sys.executable} -m vecsim build-index new pics"
    command = f"{command} & p=$!; sleep 2; kill -HUP $p; wait $p"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


setpriv = shutil.which("setpriv")


@pytest.mark.skipif(os.geteuid() != 0 or setpriv is None, reason="changes the user")
@pytest.mark.parametrize(
    "words", [("models",), ("demo",), ("doctor", "out"), ("build-index", "out/new", "pics")]
)
@pytest.mark.ci
def test_a_user_without_a_home_or_an_account_can_work(
    words: tuple[str, ...], pictures: Path, workplace: Path
) -> None:
    Path("out").mkdir()
    Path("out").chmod(0o777)
    for folder in [workplace, *workplace.parents[:2]]:
        folder.chmod(0o755)
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TMPDIR": str(workplace / "out"),
    }
    # The capability lets this user run an interpreter in a folder that only root may read.
    user = ["--reuid=12345", "--regid=12345", "--clear-groups"]
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    ran = subprocess.run(
        [str(setpriv), *user, *capability, sys.executable, "-m", "vecsim", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert ran.returncode == 0, ran.stderr
    assert "unexpected" not in ran.stderr


@pytest.mark.skipif(setpriv is None, reason="changes what root may read")
@pytest.mark.ci
def test_a_folder_that_cannot_be_read_is_a_warning(pictures: Path, workplace: Path) -> None:
    closed = pictures / "lost+and+found"
    closed.mkdir(mode=0o000)
    commands = [("build-index", "new", "pics"), ("match", "pics"), ("list-images", "pics")]
    for words in commands:
        limits = ["--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        prefix = [str(setpriv), *limits] if limits else []
        command = [*prefix, sys.executable, "-m", "vecsim", *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 3, ran.stderr
        assert f"{closed.name}: Permission denied." in ran.stderr
        assert "unexpected" not in ran.stderr
    closed.chmod(0o700)
