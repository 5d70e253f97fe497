"""Where decoder processes come from, and that they end with their parent."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.decoders import decoder_processes, same, templates, wait_for
from support.pictures import file_of, photograph, slow_picture
from vecsim import system
from vecsim.decode import DecoderPool
from vecsim.decode.template import close_template, start_early
from vecsim.protocols import Preparation

SQUARE = Preparation(32, "nearest")
GOOD = [file_of(photograph(seed=seed), "JPEG") for seed in range(8)]


@pytest.fixture(scope="module", autouse=True)
def only_ours() -> None:
    """End what other tests of this process left."""
    close_template()


def test_what_was_started_early_is_used() -> None:
    close_template()
    start_early()
    if system.FORKS_END_WITH_PARENT:
        wait_for(lambda: bool(templates()))  # Linux shows its command line a moment later
    early = templates()
    with DecoderPool(1, SQUARE) as pool:
        assert same(pool.submit(GOOD[0]).result().pixels, GOOD[0])
    assert len(early) == system.FORKS_END_WITH_PARENT
    assert templates() == early


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path)]


HEAD = """
import sys, threading, time
sys.path[:0] = {path!r}
from vecsim.decode import DecoderPool
from vecsim.protocols import Preparation
data = open(sys.argv[1], "rb").read()
"""


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.ci
def test_processes_end_when_the_parent_is_killed(tmp_path: Path, busy: bool) -> None:
    (tmp_path / "image").write_bytes(slow_picture(500_000) if busy else GOOD[0])
    text = HEAD.format(path=sys.path) + (
        """
pool = DecoderPool(2, Preparation(32, "nearest"))
futures = [pool.submit(data) for _ in range(6)]
futures[0].result()
print("ready", flush=True)
time.sleep(60)
"""
    )
    command = [*script(tmp_path, text), str(tmp_path / "image")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        orphans = decoder_processes(parent.pid)
        assert len(orphans) == 2
        parent.kill()
    wait_for(lambda: not any(Path(f"/proc/{orphan}").exists() for orphan in orphans), 5.0)


def test_a_script_without_a_main_guard_and_without_close(tmp_path: Path) -> None:
    """The script also submits its first image from a thread that ends."""
    (tmp_path / "image").write_bytes(GOOD[0])
    text = HEAD.format(path=sys.path) + (
        """
pool = DecoderPool(2, Preparation(32, "nearest"))
thread = threading.Thread(target=lambda: pool.submit(data).result())
thread.start(); thread.join()
time.sleep(0.3)
print(pool.submit(data).result().width)
"""
    )
    command = [*script(tmp_path, text), str(tmp_path / "image")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr, run.returncode) == ("160\n", "", 0)


def test_a_template_that_was_killed_is_started_again() -> None:
    with DecoderPool(1, SQUARE) as pool:
        assert same(pool.submit(GOOD[0]).result(30).pixels, GOOD[0])
        (process,) = decoder_processes()
        status = Path(f"/proc/{process}/status").read_text()
        template = int(next(x for x in status.splitlines() if x.startswith("PPid")).split()[1])
        os.kill(template, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{process}").exists())
        assert same(pool.submit(GOOD[1]).result(30).pixels, GOOD[1])
    assert not Path(f"/proc/{template}").exists()


def test_a_process_started_alone_decodes_as_a_forked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "FORKS_END_WITH_PARENT", False)
    close_template()
    with DecoderPool(1, SQUARE) as pool:
        futures = [pool.submit(data) for data in GOOD]
        for data, future in zip(GOOD, futures, strict=True):
            assert same(future.result(30).pixels, data)
        assert not decoder_processes()


def test_a_forked_copy_of_the_parent_uses_a_template_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(GOOD[0])
    text = HEAD.format(path=sys.path) + (
        """
import os
def width():
    with DecoderPool(1, Preparation(32, "nearest")) as pool:
        return pool.submit(data).result().width
print(width(), flush=True)
copy = os.fork()
print(width(), flush=True)
if copy:
    os.waitpid(copy, 0)
    print(width())
"""
    )
    command = [*script(tmp_path, text), str(tmp_path / "image")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("160\n" * 4, "", 0)
