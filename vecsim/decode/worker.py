"""A decoder process: reads image files from standard input, writes pixels to standard output.

It ends when its parent ends, ignores Ctrl-C (the parent handles it), has a memory limit, and can
neither dump core nor fill a disk. It imports Pillow and NumPy, nothing else that is large.
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

from vecsim.decode.formats import load_plugins
from vecsim.decode.image import decode_image
from vecsim.decode.settings import DecodeLimits, DecoderSettings
from vecsim.decode.wire import READY, read_task, write_answer
from vecsim.errors import ImageError
from vecsim.records import Decoded

_TASKS, _ANSWERS, _STDERR = 0, 1, 2
"""File descriptors: two pipes, and a file for messages of C libraries."""

_PR_SET_PDEATHSIG = 1
_MAX_STDERR = 1 << 20
"""Bytes that C libraries may write to standard error during the life of a process."""


def main(settings_json: str, parent: int) -> None:
    """Decode until the parent, process `parent`, closes standard input or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent(parent)
    settings = DecoderSettings.from_json(settings_json)
    load_plugins()  # before the limits, so that their memory does not count
    _set_resource_limits(settings.limits)
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
    """Ask Linux to kill this process when its parent dies, whatever a decoder is doing.

    On other systems the end of the pipe ends the process (see `_receive`).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the request took effect
        os._exit(0)


def _set_resource_limits(limits: DecodeLimits) -> None:
    """Limit memory and the size of files, and switch off core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_STDERR, _MAX_STDERR))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):  # not every system has these
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _messages_of_libraries() -> tuple[str, ...]:
    """Return what C libraries have written to standard error since the last image."""
    if not os.fstat(_STDERR).st_size:
        return ()
    text = os.pread(_STDERR, 4096, 0).decode(errors="replace")
    os.ftruncate(_STDERR, 0)
    os.lseek(_STDERR, 0, os.SEEK_SET)
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _with_messages(answer: Decoded | ImageError, messages: tuple[str, ...]) -> Decoded | ImageError:
    """Add messages to the warnings of a picture or to the message of an error."""
    if isinstance(answer, ImageError):
        return ImageError(answer.kind, f"{answer.message} ({'; '.join(messages)[:300]})")
    return replace(answer, warnings=answer.warnings + messages)
