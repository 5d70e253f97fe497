"""The messages between the pool and its processes: transferred whole, refused if malformed."""

import contextlib
import os
import struct
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from vecsim.decode import DecodeLimits
from vecsim.decode.wire import DecoderSettings, read_answer, read_task, write_answer, write_task
from vecsim.errors import FailureKind, ImageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

SQUARE = Preparation(4, "nearest")
HEAD = struct.Struct("<IIIIIi16s")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # the test closed it
            os.close(end)


@pytest.mark.parametrize("entropy", [None, 0, 2345])
def test_a_picture_is_transferred_whole(pipe: tuple[int, int], entropy: int | None) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    sent = Decoded(pixels, 640, 480, "JPEG", ("odd EXIF", "cut"), b"thumbnail", entropy)
    write_answer(pipe[1], sent)
    answer = read_answer(pipe[0], SQUARE)
    assert isinstance(answer, Decoded)
    assert np.array_equal(answer.pixels, pixels)
    assert (answer.width, answer.height, answer.format) == (640, 480, "JPEG")
    assert (answer.warnings, answer.thumbnail) == (sent.warnings, sent.thumbnail)
    assert answer.entropy == entropy


def test_an_error_is_transferred_whole(pipe: tuple[int, int]) -> None:
    write_answer(pipe[1], ImageError(FailureKind.TRUNCATED, "line one\nline two"))
    answer = read_answer(pipe[0], SQUARE)
    assert isinstance(answer, ImageError)
    assert (answer.kind, answer.message) == (FailureKind.TRUNCATED, "line one\nline two")


def test_tasks_larger_than_the_pipe_are_transferred_whole(pipe: tuple[int, int]) -> None:
    data = os.urandom(3_000_000)
    writer = threading.Thread(target=write_task, args=(pipe[1], data, False))
    writer.start()
    assert read_task(pipe[0]) == (data, False)
    writer.join()


def test_the_end_of_the_pipe_is_the_end_of_the_tasks(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    assert read_task(pipe[0]) is None
    with pytest.raises(EOFError):
        read_answer(pipe[0], SQUARE)


@pytest.mark.parametrize("sizes", [(47, 0, 0), (48, 1 << 25, 0), (48, 0, 1 << 20), (1 << 31, 0, 0)])
def test_malformed_answers_are_refused_before_memory_is_allocated(
    pipe: tuple[int, int], sizes: tuple[int, int, int]
) -> None:
    os.write(pipe[1], HEAD.pack(*sizes, 1, 1, 0, b"PNG"))
    with pytest.raises(ValueError, match="malformed answer"):
        read_answer(pipe[0], SQUARE)


def test_an_unknown_kind_of_failure_becomes_damaged(pipe: tuple[int, int]) -> None:
    text = b"nonsense\nwhy"
    os.write(pipe[1], HEAD.pack(0, 0, len(text), 0, 0, -1, b"") + text)
    answer = read_answer(pipe[0], SQUARE)
    assert isinstance(answer, ImageError)
    assert (answer.kind, answer.message) == (FailureKind.DAMAGED, "why")


def test_settings_are_the_same_after_a_round_trip() -> None:
    settings = DecoderSettings(Preparation(8, "smooth", "L"), DecodeLimits(5, 1.5, 7, True), 160)
    assert DecoderSettings.from_json(settings.to_json()) == settings
