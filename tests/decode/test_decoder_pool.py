"""The pool of decoder processes: results, crashes, deadlines, memory, closing."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.decoders import decoder_processes, templates
from support.pictures import decoded, file_of, large_picture, photograph, slow_picture
from vecsim import system
from vecsim.decode import DecodeLimits, DecoderPool
from vecsim.decode.process import close_template, start_early
from vecsim.errors import ImageError, VecsimError
from vecsim.protocols import Preparation

SQUARE = Preparation(32, "nearest")
GOOD = [file_of(photograph(seed=seed), "JPEG") for seed in range(8)]


@pytest.fixture(scope="module")
def slow() -> bytes:
    return slow_picture()


@pytest.fixture(scope="module", autouse=True)
def only_ours() -> None:
    """End what other tests of this process left."""
    close_template()


def processor_time(process: int) -> float:
    """Return the seconds of CPU time of a process; starting takes less than half a second."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):  # the process has just ended
        return 0.0


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.01)


def same(pixels: object, data: bytes) -> bool:
    return np.array_equal(np.asarray(pixels), decoded(data).pixels)


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


def test_results_belong_to_their_images() -> None:
    with DecoderPool(2, SQUARE) as pool:
        futures = [(data, pool.submit(data)) for data in GOOD * 20]
        for data, future in futures:
            assert same(future.result().pixels, data)
    assert not decoder_processes()


def test_every_field_of_a_result_is_transferred() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + bytes(5)
    data = file_of(photograph(), "JPEG", exif=exif)
    for preparation in (Preparation(300, "smooth"), Preparation(64, "lanczos", "L")):
        with DecoderPool(1, preparation) as pool:
            result = pool.submit(data).result()
        expected = decoded(data, preparation.size, preparation.resample, preparation.mode)
        assert np.array_equal(result.pixels, expected.pixels)
        assert result.warnings == expected.warnings != ()
        assert (result.width, result.height, result.format) == (160, 120, "JPEG")
        result.pixels[:] = 0  # the array is writable


def test_errors_are_transferred() -> None:
    with DecoderPool(1, SQUARE) as pool:
        error = pool.submit(b"<html>").exception()
    assert isinstance(error, ImageError)
    assert (error.kind, error.message) == ("not-an-image", "not an image: an HTML page")


def test_files_and_pixels_larger_than_the_pipe() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), np.uint8)
    data = file_of(Image.fromarray(noise), "BMP")
    big = Preparation(900, "nearest")
    with DecoderPool(1, big) as pool:
        futures = [pool.submit(data) for _ in range(8)]
        for future in futures:
            assert future.result(60).pixels.shape == (900, 900, 3)


def test_messages_of_c_libraries_become_warnings(
    shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif", "crash-2020-10-test.tif")
    with DecoderPool(1, SQUARE) as pool:
        one, two = (pool.submit((shared / "hostile-images" / n).read_bytes()) for n in names)
        assert "Fax4Decode" in one.result().warnings[0]
        assert "TIFFFetchNormalTag" in str(two.exception())
    assert capfd.readouterr() == ("", "")


def test_an_image_over_its_deadline_fails_alone(slow: bytes) -> None:
    began = time.monotonic()
    with DecoderPool(1, SQUARE, DecodeLimits(deadline=0.3)) as pool:
        futures = [pool.submit(data) for data in (GOOD[0], slow, *GOOD[1:4])]
        error = futures[1].exception(30)
        assert isinstance(error, ImageError)
        assert error.kind == "crashed"
        assert "0.3 s" in error.message
        for data, future in zip((GOOD[0], *GOOD[1:4]), (futures[0], *futures[2:]), strict=True):
            assert same(future.result(30).pixels, data)
    assert time.monotonic() - began < 15


@pytest.mark.ci
def test_an_image_whose_process_crashes_twice_fails_alone() -> None:
    """The first crash may have another cause, such as a lack of memory, so it is tried again."""
    with DecoderPool(1, SQUARE) as pool:
        futures = [pool.submit(data) for data in (slow_picture(6_000_000), *GOOD)]
        for _ in range(2):
            wait_for(lambda: any(processor_time(p) > 1.0 for p in decoder_processes()), 60)
            (process,) = decoder_processes()
            os.kill(process, signal.SIGSEGV)
            wait_for(lambda gone=process: gone not in decoder_processes())  # type: ignore[misc]
        error = futures[0].exception(30)
        assert isinstance(error, ImageError)
        assert error.kind == "crashed"
        assert "SIGSEGV" in error.message
        for data, future in zip(GOOD, futures[1:], strict=True):
            assert same(future.result(30).pixels, data)


def test_a_process_killed_once_fails_no_image() -> None:
    with DecoderPool(2, SQUARE) as pool:
        futures = [(data, pool.submit(data)) for data in GOOD * 50]
        wait_for(lambda: len(decoder_processes()) == 2)
        for process in decoder_processes():
            time.sleep(0.2)
            os.kill(process, signal.SIGKILL)
        for data, future in futures:
            assert same(future.result(30).pixels, data)


def test_an_image_over_the_memory_limit_fails_alone() -> None:
    with DecoderPool(1, SQUARE, DecodeLimits(memory=200 << 20)) as pool:
        future, neighbour = pool.submit(large_picture()), pool.submit(GOOD[0])
        error = future.exception(30)
        assert isinstance(error, ImageError)
        assert error.kind == "too-large"
        assert "memory" in error.message
        assert same(neighbour.result(30).pixels, GOOD[0])


@pytest.mark.ci
def test_cancelled_images_are_not_decoded(slow: bytes) -> None:
    with DecoderPool(1, SQUARE) as pool:
        first = pool.submit(slow)
        rest = [pool.submit(slow) for _ in range(20)]
        cancelled = [future.cancel() for future in rest]
        assert sum(cancelled) >= 17
        assert first.result(60).width == 1000


def test_processes_that_do_not_start_raise_a_vecsim_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close_template()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with DecoderPool(1, SQUARE) as pool:
        error = pool.submit(GOOD[0]).exception(30)
    assert isinstance(error, VecsimError)
    assert not isinstance(error, ImageError)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with DecoderPool(1, SQUARE) as pool:
        assert isinstance(pool.submit(GOOD[0]).exception(30), VecsimError)


def test_decoder_processes_ignore_ctrl_c() -> None:
    with DecoderPool(2, SQUARE) as pool:
        futures = [pool.submit(data) for data in GOOD]
        wait_for(lambda: len(decoder_processes()) == 2)
        [future.result(30) for future in futures]
        before = decoder_processes()
        for process in before:
            os.kill(process, signal.SIGINT)
            assert os.getpgid(process) != os.getpgid(0)
        assert same(pool.submit(GOOD[0]).result(30).pixels, GOOD[0])
        assert decoder_processes() == before


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.6])
def test_closing_without_waiting_cancels_what_is_pending(slow: bytes, pause: float) -> None:
    pool = DecoderPool(2, SQUARE)
    futures = [pool.submit(slow) for _ in range(20)]
    time.sleep(pause)
    began = time.monotonic()
    pool.close(wait=False)
    assert time.monotonic() - began < 5
    assert not decoder_processes()
    assert all(future.done() for future in futures)
    assert sum(future.cancelled() for future in futures) >= 12


def test_an_error_in_the_with_block_closes_without_waiting(slow: bytes) -> None:
    with pytest.raises(KeyboardInterrupt), DecoderPool(1, SQUARE) as pool:
        futures = [pool.submit(slow) for _ in range(20)]
        raise KeyboardInterrupt
    assert sum(future.cancelled() for future in futures) >= 17


def test_a_closed_pool_refuses_images() -> None:
    pool = DecoderPool(1, SQUARE)
    pool.close()
    pool.close()
    with pytest.raises(RuntimeError):
        pool.submit(GOOD[0])


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
