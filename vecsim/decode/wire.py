"""The messages between `DecoderPool` and its processes: plain frames, never pickles.

A file made to harm may take over a decoder process, which then must not be able to run code in the
parent: the parent reads only numbers, text and pixels. A task is `length` + whether a thumbnail is
wanted + that many bytes of image file. An answer is a head + pixels + thumbnail + text: the
warnings of a picture, or the kind and message of a failure.

A message is written with one system call and without copying: at a few milliseconds an image, each
system call and each copy counts.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import asdict, dataclass

import numpy as np

from vecsim.decode.limits import DecodeLimits
from vecsim.errors import FAILURE_KINDS, FailureKind, ImageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

READY = b"ready\n"
"""What a decoder process writes when it can take images."""

_TASK = struct.Struct("<Q?")
# Number of bytes of pixels, thumbnail and text; width, height, entropy, format.
_HEAD = struct.Struct("<IIIIIi16s")
_UNKNOWN = -1
_MAX_TEXT = 1 << 16
_MAX_THUMBNAIL = 1 << 24


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """What a decoder process is told when it starts, as one command-line argument.

    `thumbnail_side`: pixels of the longer side of the thumbnail that is made of each picture at
    most; 0 makes none.
    """

    preparation: Preparation
    limits: DecodeLimits
    thumbnail_side: int = 0

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DecoderSettings:
        """Read what `to_json` returned."""
        values = json.loads(text)
        return cls(
            Preparation(**values["preparation"]),
            DecodeLimits(**values["limits"]),
            values["thumbnail_side"],
        )


def write_task(descriptor: int, data: bytes, thumbnail: bool = True) -> None:
    """Send one image file. `thumbnail`: whether the thumbnail of the settings is made of it.

    Raises `OSError` if the process has died.
    """
    _write(descriptor, _TASK.pack(len(data), thumbnail), data)


def read_task(descriptor: int) -> tuple[bytes, bool] | None:
    """Receive the next image file, and whether a thumbnail is wanted; None after the last one."""
    try:
        length, thumbnail = _TASK.unpack(_read(descriptor, _TASK.size))
        return _read(descriptor, length), thumbnail
    except EOFError:
        return None


def write_answer(descriptor: int, answer: Decoded | ImageError) -> None:
    """Send a picture, or the error that there was instead."""
    if isinstance(answer, ImageError):
        text = f"{answer.kind}\n{answer.message[:1000]}".encode()
        _write(descriptor, _HEAD.pack(0, 0, len(text), 0, 0, _UNKNOWN, b""), text)
        return
    pixels = np.ascontiguousarray(answer.pixels).reshape(-1).data
    text = "\n".join(text[:300] for text in answer.warnings[:20]).encode()
    name = answer.format.encode()[:16]
    sizes = (len(pixels), len(answer.thumbnail), len(text))
    entropy = _UNKNOWN if answer.entropy is None else answer.entropy
    head = _HEAD.pack(*sizes, answer.width, answer.height, entropy, name)
    _write(descriptor, head, pixels, answer.thumbnail, text)


def read_answer(descriptor: int, preparation: Preparation) -> Decoded | ImageError:
    """Receive the next answer.

    Raises `EOFError` if the process has died, `ValueError` if the answer is malformed.
    """
    head = _HEAD.unpack(_read(descriptor, _HEAD.size))
    pixel_length, thumbnail_length, text_length, width, height, entropy, name = head
    shape = preparation.shape
    too_long = text_length > _MAX_TEXT or thumbnail_length > _MAX_THUMBNAIL
    if pixel_length not in (0, math.prod(shape)) or too_long:
        raise ValueError("a decoder process sent a malformed answer")
    pixels = np.empty(shape if pixel_length else 0, np.uint8)
    _fill(descriptor, pixels.reshape(-1).data)
    thumbnail = _read(descriptor, thumbnail_length)
    text = _read(descriptor, text_length).decode(errors="replace")
    if pixel_length:
        format_ = name.rstrip(b"\0").decode("ascii", errors="replace")
        messages = tuple(text.split("\n")) if text else ()
        known = None if entropy < 0 else entropy
        return Decoded(pixels, width, height, format_, messages, thumbnail, known)
    kind, _, message = text.partition("\n")
    return ImageError(kind if kind in FAILURE_KINDS else FailureKind.DAMAGED, message)


def _write(descriptor: int, *parts: bytes | memoryview) -> None:
    """Write all parts, with one system call where the pipe has room for them."""
    written = os.writev(descriptor, parts)
    for part in parts:  # the rest, where the pipe had less room
        rest = memoryview(part)[written:]
        written = max(0, written - len(part))
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _read(descriptor: int, length: int) -> bytes:
    """Read so many bytes; raises `EOFError` if the other side closes before.

    Mostly with one system call, into memory that is neither cleared before nor copied afterwards.
    """
    data = os.read(descriptor, length) if length else b""
    if len(data) < length:
        if not data:
            raise EOFError("the other side has closed")
        rest = bytearray(length - len(data))
        _fill(descriptor, memoryview(rest))
        data += rest
    return data


def _fill(descriptor: int, view: memoryview) -> None:
    """Read until `view` is full; raises `EOFError` if the other side closes before."""
    while view:
        count = os.readv(descriptor, [view])
        if not count:
            raise EOFError("the other side has closed")
        view = view[count:]
