"""Counts the parts of an image file before it is decoded: some cost far more than their bytes.

A scan of a progressive JPEG goes over the whole picture, and may take ten bytes of the file: 224 KB
kept a decoder busy for 20 seconds. Pillow reads the chunks of a PNG, and the blocks before the
first frame of a GIF, in Python, some 20 microseconds each; a chunk has 12 bytes. Only the first
frame of an animation is decoded, but Pillow goes over those of an APNG.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from vecsim.errors import FailureKind, ImageError

MAX_SCANS = 64
"""Scans of a JPEG. Encoders write up to 24."""

MAX_FRAMES = 10_000
"""Frames of an animation (GIF, APNG, WebP)."""

_MAX_PARTS = 50_000
"""Markers of a JPEG, and bytes between those of its header; chunks of a PNG or WebP; blocks of a
GIF before its first frame. A PNG of 50 MB in chunks of 1 KB, which are small, has as many."""

_MAX_STEPS = 500_000
"""Blocks of a GIF that are looked at: those of 127 MB, if all are as long as they may be."""

_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A marker, also in the middle of coded pixels, where FF is followed by 00 or by D0 to D7."""

_SCAN = b"\xff\xda"
_EOI, _SOS, _TEM, _SOI = 0xD9, 0xDA, 0x01, 0xD8
_PNG, _GIF = b"\x89PNG\r\n\x1a\n", (b"GIF87a", b"GIF89a")


def check_structure(data: bytes) -> None:
    """Raise `ImageError` "too-large" for a file with too many scans, frames or parts.

    Whatever else is wrong with a file is left to its decoder to find.
    """
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(_PNG):
        _check_chunks(_png_chunks(data), b"fcTL")
    elif data.startswith(_GIF):
        _check_chunks(_gif_blocks(data), b",")
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _check_chunks(_riff_chunks(data), b"ANMF")


def _check_chunks(names: Iterator[bytes], frame: bytes) -> None:
    parts = frames = 0
    for name in names:
        parts += name != frame
        frames += name == frame
        if frames > MAX_FRAMES:
            raise _too_large(f"the animation has more than {MAX_FRAMES:,} frames")
        if parts > _MAX_PARTS:
            raise _too_large(f"the file has more than {_MAX_PARTS:,} parts")


def _too_large(message: str) -> ImageError:
    return ImageError(FailureKind.TOO_LARGE, message)


def _check_jpeg(data: bytes) -> None:
    """Count the scans of the first picture in `data`.

    Embedded thumbnails, and pictures that follow the first (MPO, motion photos), do not count.
    """
    if len(data) <= _MAX_PARTS and data.count(_SCAN) <= MAX_SCANS:
        return  # it has fewer bytes than there may be parts, and no more scans than these bytes
    scans, position, skipped = 0, 2, 0
    for _ in range(_MAX_PARTS):
        found = _JPEG_MARKER.search(data, position)
        if not scans:  # between the segments of the header, Pillow reads byte by byte
            skipped += (len(data) if found is None else found.start()) - position
        if skipped > _MAX_PARTS:
            break
        if found is None or found[1][0] == _EOI:
            return
        code, position = found[1][0], found.end()
        if code == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                raise _too_large(f"the JPEG has more than {MAX_SCANS:,} scans")
        if code not in (_TEM, _SOI):  # those two have no content
            position += int.from_bytes(data[position : position + 2], "big")
    raise _too_large(f"the file has more than {_MAX_PARTS:,} parts")


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the names of all chunks."""
    position = len(_PNG)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        yield name
        position += 12 + length


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the names of all chunks of a WebP."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        yield name
        position += 8 + length + length % 2


def _gif_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the kind of each block (`,` for a frame), and of each part of it before a frame."""
    if len(data) < 13:
        return
    position = 13 + _color_table(data[10])
    framed, steps = False, 0
    while position < len(data) and (kind := data[position : position + 1]) in (b",", b"!"):
        yield kind
        if kind == b",":
            framed = True
            if position + 10 >= len(data):
                return
            position += 11 + _color_table(data[position + 9])
        else:
            position += 2
        while position < len(data) and data[position]:  # its sub-blocks, until an empty one
            position += 1 + data[position]
            if not framed:
                yield b"!"
            steps += 1
            if steps > _MAX_STEPS:
                return
        position += 1


def _color_table(flags: int) -> int:
    """Return the bytes of the color table that a GIF's flags announce."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0
