"""Rewrites image files whose faults are beside the pixels, so that these can be decoded.

Only files that failed to decode come here. What is left out holds no pixels: text, colour profiles
and other metadata that is damaged or too large, bytes before the file, an end marker.
"""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, PngImagePlugin

from vecsim.decode.bitmaps import rewritten_bitmap

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_BMP = b"BM"
_STARTS = (_PNG, _JPEG, b"GIF87a", b"GIF89a", b"RIFF", _BMP)
_BEFORE_A_FILE = b"\xef\xbb\xbf \t\r\n"
"""A byte order mark and white space, which scripts of web servers print before a picture."""

_USEFUL_CHUNKS = (b"tRNS", b"eXIf", b"iCCP")
"""Ancillary chunks of a PNG that change how it looks: transparency, orientation, colour profile."""

_END_CHUNK = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))

_END_MARKER = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_USEFUL_SEGMENTS = (
    (b"\xff\xe0", b"JFIF\0", 16),
    (b"\xff\xe1", b"Exif\0\0", 18),
    (b"\xff\xee", b"Adobe", 16),
)
"""Application segments of a JPEG that change how it looks (colours, orientation): marker, name, and
bytes of the segment at least."""

_FILLER = bytes(random.Random(0).randrange(1, 255) for _ in range(64))
"""Entropy-coded data that means nothing; no marker is in it."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A file without its faults. `note`: what was done, for the warnings of the picture."""

    data: bytes
    note: str


def repairs(data: bytes) -> Iterator[Repair]:
    """Yield the files that `data`, which cannot be decoded, may have been meant to be.

    Decoding each may fail too. Raises any error that Pillow has for a damaged file.
    """
    if data.startswith(_PNG):
        yield Repair(_without_metadata_png(data), "metadata of the PNG was left out")
    elif data.startswith(_JPEG):
        restart = _next_restart(data)
        if restart is not None and _has_all_rows(data, restart):
            yield Repair(_ended(data), "the end marker of the JPEG is missing")
        yield Repair(_without_metadata_jpeg(data), "metadata of the JPEG was left out")
    elif data.startswith(_BMP):
        if rewritten := rewritten_bitmap(data):
            yield Repair(rewritten, "the colours of the BMP were converted")
    else:
        stripped = data.lstrip(_BEFORE_A_FILE)
        if len(stripped) < len(data) and stripped.startswith(_STARTS):
            count = len(data) - len(stripped)
            yield Repair(stripped, f"{count} bytes before the file were left out")


def _without_metadata_png(data: bytes) -> bytes:
    """Return a PNG without ancillary chunks, except useful ones that are sound.

    As libpng does, an ancillary chunk with a wrong checksum is ignored. Without the chunks of an
    animation, its default image is left.
    """
    parts = [_PNG]
    position = len(_PNG)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        chunk = data[position:end]
        position = end
        if name == b"IEND":
            break
        if name == b"IDAT" and end > len(data):  # the file ends here, perhaps after the last row
            chunk = struct.pack(">I", len(chunk) - 8) + chunk[4:] + bytes(4)
        is_critical = not name[0] & 0x20
        if is_critical or (name in _USEFUL_CHUNKS and _is_sound(chunk)):
            parts.append(chunk)
    return b"".join([*parts, _END_CHUNK])


def _is_sound(chunk: bytes) -> bool:
    """Tell whether a chunk has its checksum, and a colour profile can be decompressed."""
    body, checksum = chunk[4:-4], chunk[-4:]
    if struct.pack(">I", zlib.crc32(body)) != checksum:
        return False
    if not body.startswith(b"iCCP"):
        return True
    _, _, packed = body[4:].partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], PngImagePlugin.MAX_TEXT_CHUNK)
    except zlib.error:
        return False
    return packed[:1] == b"\0" and not unpacker.unconsumed_tail


def _ended(jpeg: bytes, filler: bytes = b"") -> bytes:
    """Return a JPEG with an end marker, after `filler`."""
    return jpeg.rstrip(b"\xff") + filler + _END_MARKER


def _next_restart(jpeg: bytes) -> int | None:
    """Return the number of the restart marker that may come next where a JPEG ends within a scan.

    None where it does not, or has a marker where none belongs: that ends a scan early, and decoders
    paint the rest of it grey.
    """
    position = 2
    while position + 4 <= len(jpeg):
        if jpeg[position] != 0xFF or not _is_segment(jpeg[position + 1]):
            return None
        is_scan = jpeg[position + 1] == _START_OF_SCAN
        (length,) = struct.unpack_from(">H", jpeg, position + 2)
        position += 2 + length
        if is_scan:
            position, restart = _end_of_scan(jpeg, position)
            if position >= len(jpeg.rstrip(b"\xff")):
                return restart
    return None


def _is_segment(marker: int) -> bool:
    """Tell whether a segment with a length follows a marker: not RST0 to RST7, SOI, EOI, TEM."""
    return 0xC0 <= marker <= 0xFE and not 0xD0 <= marker <= 0xD9


def _end_of_scan(jpeg: bytes, position: int) -> tuple[int, int]:
    """Return where the scan that begins at `position` has its next marker, else the length.

    Restart markers belong to a scan, in their order; the number of the next one is returned too.
    """
    restart = 0
    while (position := jpeg.find(b"\xff", position)) >= 0 and position + 1 < len(jpeg):
        following = jpeg[position + 1]
        if following == 0xD0 + restart:
            restart = (restart + 1) % 8
        elif following == 0xFF:
            position -= 1
        elif following:  # 0 after 255 stands for the byte itself
            return position, restart
        position += 2
    return len(jpeg), restart


def _has_all_rows(jpeg: bytes, restart: int) -> bool:
    """Tell whether only the end marker of a JPEG, which ends in a scan, is missing.

    A decoder ignores data after the last row. Where rows are missing, it takes that data for them:
    then the picture depends on what follows. `restart`: the number of the next restart marker.
    """
    more = (bytes((0xFF, 0xD0 + (restart + part) % 8)) + _FILLER for part in range(16))
    digests = set()
    for filler in (b"", b"".join([_FILLER, *more])):
        with Image.open(io.BytesIO(_ended(jpeg, filler)), formats=("JPEG",)) as image:
            image.load()
            digests.add(hashlib.sha256(image.tobytes()).digest())
    return len(digests) == 1


def _without_metadata_jpeg(data: bytes) -> bytes:
    """Return a JPEG without the application segments and comments that hold no colours."""
    parts = [data[:2]]
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _START_OF_SCAN:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        segment = data[position:end]
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or any(
            segment[:2] == kind and segment.startswith(name, 4) and len(segment) >= least
            for kind, name, least in _USEFUL_SEGMENTS
        ):
            parts.append(segment)
        position = end
    return b"".join([*parts, data[position:]])
