"""A decoder process: image files in on standard input, pixels out on standard output.

It ends when its parent does, ignores Ctrl-C (the parent decides), may take so much memory and no
more, and can neither dump core nor fill a disk. It imports Pillow and NumPy only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import resource
import signal
import threading
from dataclasses import replace
from pathlib import Path

from vecsim.decode.image import decode_image, load_plugins
from vecsim.decode.limits import DecodeLimits
from vecsim.decode.wire import READY, DecoderSettings, read_task, write_answer
from vecsim.errors import ImageError
from vecsim.records import Decoded

_TASKS, _ANSWERS, _COMPLAINTS = 0, 1, 2
"""File descriptors: two pipes, and a file of our own for what C libraries have to say."""

_PR_SET_PDEATHSIG = 1
_MAX_COMPLAINTS = 1 << 20
"""Bytes that C libraries may write to standard error in the life of a process, at most."""


def main(settings: str, parent: int) -> None:
    """Decode until the parent, process `parent`, closes standard input or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    told = DecoderSettings.from_json(settings)
    load_plugins()  # now, so that their memory does not count
    _limit(told.limits)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    os.write(_ANSWERS, READY)
    while True:
        data = tasks.get()
        answer: Decoded | ImageError
        try:
            answer = decode_image(data, told.preparation, told.limits, thumbnail=told.thumbnails)
        except ImageError as error:
            answer = error
        complaints = _complaints()
        if complaints:
            answer = _with(answer, complaints)
        write_answer(_ANSWERS, answer)


def _receive(tasks: queue.SimpleQueue[bytes]) -> None:
    """Take tasks from the pipe while the main thread decodes.

    Reading ahead keeps the parent from blocking on a large file while we block on a large answer,
    and the end of the pipe ends the process even if a decoder hangs.
    """
    try:
        while (data := read_task(_TASKS)) is not None:
            tasks.put(bytes(data))
    finally:  # not even a MemoryError may leave a process that listens no more
        os._exit(0)


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, whatever a decoder is doing.

    Elsewhere the end of the pipe does it (see `_receive`).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was in place
        os._exit(0)


def _limit(limits: DecodeLimits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_COMPLAINTS, _MAX_COMPLAINTS))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):  # not every system counts or limits this
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _complaints() -> tuple[str, ...]:
    """What C libraries have written to standard error since the last image."""
    if not os.fstat(_COMPLAINTS).st_size:
        return ()
    text = os.pread(_COMPLAINTS, 4096, 0).decode(errors="replace")
    os.ftruncate(_COMPLAINTS, 0)
    os.lseek(_COMPLAINTS, 0, os.SEEK_SET)
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _with(answer: Decoded | ImageError, complaints: tuple[str, ...]) -> Decoded | ImageError:
    if isinstance(answer, ImageError):
        return ImageError(answer.kind, f"{answer.message} ({'; '.join(complaints)[:300]})")
    return replace(answer, warnings=answer.warnings + complaints)
