"""Synthetic pictures, and helpers that decode them in this process."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vecsim.decode import DecodeLimits, decode_image
from vecsim.errors import ImageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

Pixels = npt.NDArray[np.uint8]


def photograph(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """Smooth random colours without any symmetry, RGB."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def file_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(width: int, height: int, rows: int) -> bytes:
    """A black RGB PNG with `width` x `height` in its header, but only its first `rows` rows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    data = b"".join([*(packer.compress(row) for _ in range(rows)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def slow_picture(pixels: int = 2_000_000) -> bytes:
    """A BMP of runs of one pixel each: Pillow takes about a second for a million of them."""
    width, height = 1000, pixels // 1000
    data = (b"\1\0" * width + b"\0\0") * height
    header = struct.pack("<IIIHHIIIIII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    offset = 14 + len(header) + 1024
    start = b"BM" + struct.pack("<III", offset + len(data), 0, offset)
    return start + header + bytes(1024) + data


def large_picture(side: int = 9900) -> bytes:
    """A PNG of just under 100 million pixels, small as a file."""
    return png(side, side, side)


def decoded(
    data: bytes,
    size: int = 32,
    resample: str = "nearest",
    mode: str = "RGB",
    limits: DecodeLimits | None = None,
) -> Decoded:
    """Decode in this process."""
    return decode_image(data, Preparation(size, resample, mode), limits)


def refusal(data: bytes, limits: DecodeLimits | None = None) -> ImageError:
    """Decode in this process; return the error that it raises."""
    try:
        result = decoded(data, limits=limits)
    except ImageError as error:
        return error
    raise AssertionError(f"decoded as {result.format}")
