"""One decoder process, as its parent starts, uses and ends it; `worker.py` runs in it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

from vecsim import system
from vecsim.decode.template import ForkedProcess, Template
from vecsim.decode.wire import READY, DecoderSettings, read_answer, write_task
from vecsim.errors import ImageError
from vecsim.records import Decoded

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from vecsim.decode."
"""Unlike `multiprocessing`'s spawn this does not run the caller's `__main__` again, so scripts
without `if __name__ == "__main__"` and notebooks can use the pool."""

_TEMPLATE = _PROGRAM + "template import serve; serve(int(sys.argv[2]))"
_ALONE = _PROGRAM + (
    "worker import decode_tasks, load_everything; "
    "load_everything(); decode_tasks(sys.argv[2], int(sys.argv[3]))"
)

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # no linear algebra happens in these processes
    "OMP_NUM_THREADS": "1",
    # glibc gives large blocks back to the kernel, which clears each page anew for the next image:
    # a sixth of the time of a photograph of 640 pixels. Keep up to 64 MB.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_SECRET = re.compile("TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|HEADER", re.IGNORECASE)

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


_template: Template | None = None
_template_lock = threading.Lock()


def _start(settings_json: str, streams: tuple[int, int, int]) -> _Process:
    """Start a decoder process with these standard streams. Raises OSError if it cannot."""
    if system.FORKS_END_WITH_PARENT:
        return _started_template().fork(settings_json, streams)
    stdin, stdout, stderr = streams
    return subprocess.Popen(
        [*_command(_ALONE), settings_json, str(os.getpid())],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
        env=_environment(),
    )


def start_early() -> None:
    """Begin to start what decoder processes are made from, while the caller prepares other things.

    Does not wait. What cannot be started now is tried again with the first image.
    """
    if system.FORKS_END_WITH_PARENT:
        with contextlib.suppress(OSError):
            _started_template()


def _started_template() -> Template:
    """Return the template of this process, which is started if there is none or it has ended."""
    global _template
    with _template_lock:
        if _template is None or not _template.is_alive():
            close_template()
            _template = Template(_command(_TEMPLATE), _environment())
        return _template


def close_template() -> None:
    """End the template, and with it all decoder processes, if there is one."""
    global _template
    template, _template = _template, None
    if template is not None:
        template.close()


def _forget_template() -> None:
    """Leave the template to the process that this one was forked from."""
    global _template, _template_lock
    template, _template, _template_lock = _template, None, threading.Lock()
    if template is not None:
        template.forget()


atexit.register(close_template)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_template)


def _command(program: str) -> list[str]:
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    return [sys.executable, "-P", "-c", program, path]


def _environment() -> dict[str, str]:
    return {**_without_secrets(os.environ), **_ENVIRONMENT}


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those whose names look secret; no decoder needs them."""
    return {name: text for name, text in environment.items() if not _SECRET.search(name)}
