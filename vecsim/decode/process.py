"""One decoder process, as its parent starts, uses and ends it; `worker.py` runs in it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from vecsim import system
from vecsim.decode.template import (
    PROGRAM,
    ForkedProcess,
    decoder_environment,
    python_command,
    started_template,
)
from vecsim.decode.wire import READY, DecoderSettings, read_answer, write_task
from vecsim.errors import ImageError
from vecsim.records import Decoded

_ALONE = PROGRAM + (
    "worker import decode_tasks, load_everything; "
    "load_everything(); decode_tasks(sys.argv[2], int(sys.argv[3]))"
)

_PIPE_BYTES = 1 << 20
"""Enough for a few answers, so that a process goes on decoding while this interpreter is busy."""

_Process = ForkedProcess | subprocess.Popen[bytes]


class DecoderProcess:
    """A running decoder process, as its parent uses it.

    One thread must start and use it, and live longer: where it was not forked from the template,
    Linux kills the process when the *thread* that started it ends. Only `kill` may be called by
    other threads.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self._preparation = settings.preparation
        self._stderr = system.unnamed_file()
        its_tasks, tasks = os.pipe()
        answers, its_answers = os.pipe()
        self._tasks = os.fdopen(tasks, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        try:
            self._process = _start(
                settings.to_json(), (its_tasks, its_answers, self._stderr.fileno())
            )
        except BaseException:
            self._release()
            raise
        finally:
            os.close(its_tasks)
            os.close(its_answers)
        for stream in (self._tasks, self._answers):
            system.enlarge_pipe(stream, _PIPE_BYTES)

    def wait_until_ready(self) -> None:
        """Wait until the process can decode. Raises `EOFError` if it ends instead."""
        if self._answers.read(len(READY)) != READY:
            raise EOFError("the decoder process ended while it started")

    def send(self, data: bytes, thumbnail: bool = True) -> None:
        """Send an image file. Raises `OSError` if the process has died.

        `thumbnail`: whether the thumbnail of the settings, if any, is made of it.
        """
        write_task(self._tasks.fileno(), data, thumbnail)

    def receive(self) -> Decoded | ImageError:
        """Wait for the result of the first image that has none yet.

        Raises `EOFError` or `ValueError` if the process has died.
        """
        return read_answer(self._answers.fileno(), self._preparation)

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    def end_after_failure(self) -> str:
        """End the process; returns how it ended: "SIGSEGV", or exit status and last message."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.5)  # it closed its pipes, so it is about to end
        self._process.kill()
        status = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read(1 << 16).decode(errors="replace").strip().splitlines()
        self._release()
        if not lines and isinstance(self._process, ForkedProcess):
            lines = [self._process.message_of_template()]
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"{name}: {lines[-1][:200]}" if any(lines) else name

    def close(self) -> None:
        """Let the process finish its work and end."""
        self._tasks.close()
        self._process.wait()
        self._release()

    def _release(self) -> None:
        for stream in (self._tasks, self._answers, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()


def _start(settings_json: str, streams: tuple[int, int, int]) -> _Process:
    """Start a decoder process with these standard streams. Raises OSError if it cannot."""
    if system.FORKS_END_WITH_PARENT:
        return started_template().fork(settings_json, streams)
    stdin, stdout, stderr = streams
    return subprocess.Popen(
        [*python_command(_ALONE), settings_json, str(os.getpid())],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
        env=decoder_environment(),
    )
