"""Starts a decoder process, sends it image files, receives its answers and ends it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import BinaryIO, cast

from vecsim.decode.settings import DecoderSettings
from vecsim.decode.wire import READY, read_answer, write_task
from vecsim.errors import ImageError
from vecsim.records import Decoded

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vecsim.decode.worker import main; main(sys.argv[2], int(sys.argv[3]))"
)
"""Unlike `multiprocessing`'s spawn this does not run the caller's `__main__` again, so scripts
without `if __name__ == "__main__"` and notebooks can use the pool."""

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # no linear algebra happens in these processes
    "OMP_NUM_THREADS": "1",
    # glibc gives large blocks back to the kernel, which clears each page anew for the next image:
    # a sixth of the time of a photograph of 640 pixels. Keep up to 64 MB.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_PIPE_BYTES = 1 << 20
"""Enough for a few answers, so that a process goes on decoding while this interpreter is busy."""


class DecoderProcess:
    """A running `vecsim.decode.worker`.

    One thread must start and use it, and live longer: Linux kills the process when the *thread*
    that started it ends. Only `kill` may be called by other threads.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self._preparation = settings.preparation
        path = json.dumps([entry or os.getcwd() for entry in sys.path])
        with contextlib.ExitStack() as on_failure:
            self._stderr = on_failure.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, path, settings.to_json(), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
                env={**os.environ, **_ENVIRONMENT},
            )
            on_failure.pop_all()
        self._tasks = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        for stream in (self._tasks, self._answers):
            with contextlib.suppress(OSError, AttributeError):  # Linux only, and rationed there
                fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def wait_until_ready(self) -> None:
        """Wait until the process can decode. Raises `EOFError` if it ends instead."""
        if self._answers.read(len(READY)) != READY:
            raise EOFError("the decoder process ended while it started")

    def send(self, data: bytes) -> None:
        """Send an image file. Raises `OSError` if the process has died."""
        write_task(self._tasks.fileno(), data)

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
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"{name}: {lines[-1][:200]}" if lines else name

    def close(self) -> None:
        """Let the process finish its work and end."""
        self._tasks.close()
        self._process.wait()
        self._release()

    def _release(self) -> None:
        for stream in (self._tasks, self._answers, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()
