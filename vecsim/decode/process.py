"""One decoder process: how its parent starts, uses and ends it, and what runs in it (`main`).

It reads image files from standard input and writes pixels to standard output. It ends when its
parent ends, ignores Ctrl-C (the parent handles it), has a memory limit, can open no file and no
connection, and can neither dump core nor fill a disk. It imports Pillow and NumPy, nothing else
that is large.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import BinaryIO, cast

from PIL import Image

from vecsim import system
from vecsim.decode.extra_formats import load_all_extra_formats
from vecsim.decode.formats import load_plugins
from vecsim.decode.image import decode_image
from vecsim.decode.wire import (
    READY,
    DecoderSettings,
    read_answer,
    read_task,
    write_answer,
    write_task,
)
from vecsim.errors import ImageError
from vecsim.records import Decoded

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vecsim.decode.process import main; main(sys.argv[2], int(sys.argv[3]))"
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

_SECRET = re.compile("TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|HEADER", re.IGNORECASE)

_PIPE_BYTES = 1 << 20
"""Enough for a few answers, so that a process goes on decoding while this interpreter is busy."""


class DecoderProcess:
    """A running decoder process, as its parent uses it.

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
                env={**_without_secrets(os.environ), **_ENVIRONMENT},
            )
            on_failure.pop_all()
        self._tasks = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        for stream in (self._tasks, self._answers):
            system.enlarge_pipe(stream, _PIPE_BYTES)

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


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those whose names look secret; no decoder needs them."""
    return {name: text for name, text in environment.items() if not _SECRET.search(name)}


# -- what runs in the process ------------------------------------------------------------------

_TASKS, _ANSWERS, _STDERR = 0, 1, 2
"""File descriptors: two pipes, and a file for messages of C libraries."""

_MODULES = ("PIL.ImageCms", "PIL.ImageSequence", "PIL.ImagePalette", "PIL.ImageMath", "linecache")
"""Modules that Pillow, or what reads its errors, imports when they are needed."""

_ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "idna")
"""Text encodings of metadata."""

_MAX_STDERR = 1 << 20
"""Bytes that C libraries may write to standard error during the life of a process."""


def main(settings_json: str, parent: int) -> None:
    """Decode until the parent, process `parent`, closes standard input or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent(parent)
    settings = DecoderSettings.from_json(settings_json)
    _load_everything()  # before the limits, so that their memory does not count
    # A picture that takes over a decoder can then send nothing but its answer.
    system.limit_process(settings.limits.memory, _MAX_STDERR)
    system.open_nothing_more()
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    os.write(_ANSWERS, READY)
    while True:
        data = tasks.get()
        answer: Decoded | ImageError
        try:
            answer = decode_image(
                data, settings.preparation, settings.limits, settings.thumbnail_side
            )
        except ImageError as error:
            answer = error
        if messages := _messages_of_libraries():
            answer = _with_messages(answer, messages)
        write_answer(_ANSWERS, answer)


def _receive(tasks: queue.SimpleQueue[bytes]) -> None:
    """Read tasks from the pipe while the main thread decodes; end the process with the pipe.

    Otherwise parent and process could wait for each other, the parent to send a large file and the
    process to send a large answer. The end of the pipe ends the process even if a decoder hangs.
    """
    try:
        while (data := read_task(_TASKS)) is not None:
            tasks.put(bytes(data))
    finally:  # after a MemoryError too, since the process would never read again
        os._exit(0)


def _end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent dies, whatever a decoder is doing.

    Where it cannot, the end of the pipe ends the process (see `_receive`).
    """
    system.end_with_parent()
    if os.getppid() != parent:  # the parent died before the request took effect
        os._exit(0)


def _load_everything() -> None:
    """Import all that decoding may need: afterwards, nothing can be opened any more."""
    load_plugins()
    Image.init()
    load_all_extra_formats()
    for name in _MODULES:
        with contextlib.suppress(ImportError):  # some belong to packages that need not be there
            import_module(name)
    for name in _ENCODINGS:
        codecs.lookup(name)


def _messages_of_libraries() -> tuple[str, ...]:
    """Return what C libraries have written to standard error since the last image."""
    if not os.fstat(_STDERR).st_size:
        return ()
    text = system.read_at(_STDERR, 4096, 0).decode(errors="replace")
    os.ftruncate(_STDERR, 0)
    os.lseek(_STDERR, 0, os.SEEK_SET)
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _with_messages(answer: Decoded | ImageError, messages: tuple[str, ...]) -> Decoded | ImageError:
    """Add messages to the warnings of a picture or to the message of an error."""
    if isinstance(answer, ImageError):
        return ImageError(answer.kind, f"{answer.message} ({'; '.join(messages)[:300]})")
    return replace(answer, warnings=answer.warnings + messages)
