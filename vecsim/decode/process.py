"""One decoder process as its parent sees it: started, fed, listened to, killed."""

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

from vecsim.decode.wire import READY, DecoderSettings, read_answer, write_task
from vecsim.errors import ImageError
from vecsim.records import Decoded

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vecsim.decode.worker import main; main(sys.argv[2], int(sys.argv[3]))"
)
"""Unlike `multiprocessing`'s spawn this does not run the caller's `__main__` again, so that a
script without `if __name__ == "__main__"` and a notebook can use the pool."""

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # NumPy is there for its arrays
    "OMP_NUM_THREADS": "1",
    # glibc gives large blocks back to the kernel, which clears each page anew for the next image:
    # a sixth of the time of a photograph of 640 pixels. Keep up to 64 MB.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_PIPE_BYTES = 1 << 20
"""Room for a few answers, so that a process decodes on while this interpreter is busy."""


class DecoderProcess:
    """A running `vecsim.decode.worker`. To be started and used by one thread that outlives it.

    (Linux kills the process when the *thread* that started it ends.) Only `kill` may be called
    by others.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self._preparation = settings.preparation
        path = json.dumps([entry or os.getcwd() for entry in sys.path])
        with contextlib.ExitStack() as unless_started:
            self._complaints = unless_started.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, path, settings.to_json(), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
                env={**os.environ, **_ENVIRONMENT},
            )
            unless_started.pop_all()
        self._tasks = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        for stream in (self._tasks, self._answers):
            with contextlib.suppress(OSError, AttributeError):  # Linux only, and rationed there
                fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def wait_until_ready(self) -> None:
        """Wait until it can decode. Raises `EOFError` if it ends instead."""
        if self._answers.read(len(READY)) != READY:
            raise EOFError("the decoder process ended while it started")

    def send(self, data: bytes) -> None:
        """Give it an image file. Raises `OSError` if it has died."""
        write_task(self._tasks.fileno(), data)

    def answer(self) -> Decoded | ImageError:
        """The result of the first image that has none yet; `EOFError` or `ValueError` if dead."""
        return read_answer(self._answers.fileno(), self._preparation)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def bury(self) -> str:
        """End it and say how it ended: "SIGSEGV", or the exit status and its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.5)  # it closed its pipes: it is about to end by itself
        self._process.kill()
        status = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read(1 << 16).decode(errors="replace").strip().splitlines()
        self._release()
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"{name}: {lines[-1][:200]}" if lines else name

    def close(self) -> None:
        """End it when it has nothing to do any more."""
        self._tasks.close()
        self._process.wait()
        self._release()

    def _release(self) -> None:
        for stream in (self._tasks, self._answers, self._complaints):
            with contextlib.suppress(OSError):
                stream.close()
