"""The pool of decoder processes: results, crashes, deadlines, memory, closing."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.decoders import decoder_processes, same, wait_for
from support.pictures import decoded, file_of, large_picture, photograph, slow_picture
from vecsim.decode import DecodeLimits, DecoderPool
from vecsim.decode.template import close_template
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
