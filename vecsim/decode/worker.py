"""What runs in a decoder process: image files come by one pipe, pixels leave by another.

The process ends when its parent ends, ignores Ctrl-C (the parent of all handles it), has a memory
limit, can open no file and no connection, and can neither dump core nor fill a disk. It imports
Pillow and NumPy, nothing else that is large.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import queue
import signal
import threading
from dataclasses import replace
from importlib import import_module

from PIL import Image

from vecsim import system
from vecsim.decode.extra_formats import load_all_extra_formats
from vecsim.decode.formats import load_plugins
from vecsim.decode.image import decode_image
from vecsim.decode.wire import READY, DecoderSettings, read_task, write_answer
from vecsim.errors import ImageError
from vecsim.records import Decoded

_TASKS, _ANSWERS, _STDERR = 0, 1, 2
"""File descriptors: two pipes, and a file for messages of C libraries."""

_MODULES = ("PIL.ImageCms", "PIL.ImageSequence", "PIL.ImagePalette", "PIL.ImageMath", "linecache")
"""Modules that Pillow, or what reads its errors, imports when they are needed."""

_ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "idna")
"""Text encodings of metadata."""

_MAX_STDERR = 1 << 20
"""Bytes that C libraries may write to standard error during the life of a process."""


def decode_tasks(settings_json: str, parent: int) -> None:
    """Decode until standard input is closed or the parent, process `parent`, dies.

    Call `load_everything` before: afterwards, this process can open nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent(parent)
    settings = DecoderSettings.from_json(settings_json)
    # A picture that takes over a decoder can then send nothing but its answer.
    system.limit_process(settings.limits.memory, _MAX_STDERR)
    system.open_nothing_more()
    tasks: queue.SimpleQueue[tuple[bytes, bool]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    os.write(_ANSWERS, READY)
    while True:
        data, thumbnail = tasks.get()
        answer: Decoded | ImageError
        try:
            side = settings.thumbnail_side if thumbnail else 0
            answer = decode_image(data, settings.preparation, settings.limits, side)
        except ImageError as error:
            answer = error
        if messages := _messages_of_libraries():
            answer = _with_messages(answer, messages)
        write_answer(_ANSWERS, answer)


def _receive(tasks: queue.SimpleQueue[tuple[bytes, bool]]) -> None:
    """Read tasks from the pipe while the main thread decodes; end the process with the pipe.

    Otherwise parent and process could wait for each other, the parent to send a large file and the
    process to send a large answer. The end of the pipe ends the process even if a decoder hangs.
    """
    try:
        while (task := read_task(_TASKS)) is not None:
            tasks.put(task)
    finally:  # after a MemoryError too, since the process would never read again
        os._exit(0)


def _end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent dies, whatever a decoder is doing.

    Where it cannot, the end of the pipe ends the process (see `_receive`).
    """
    system.end_with_parent()
    if os.getppid() != parent:  # the parent died before the request took effect
        os._exit(0)


def load_everything() -> None:
    """Import all that decoding may need; its memory does not count for the limit of a process."""
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
