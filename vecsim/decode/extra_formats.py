"""Image formats that Pillow reads with another package, if that is installed: HEIC and JPEG XL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from vecsim.errors import FailureKind, ImageError

_JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")

_BRANDS = (
    ("AVIF", {b"avif", b"avis"}),
    ("HEIC", {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}),
    ("HEIF", {b"mif1", b"msf1", b"mif2"}),
)
"""Image formats by the brands of the first box (ISO 23008-12); the first that matches counts."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, as the header of JPEG XL numbers them from 1 on."""

_LENGTHS = (9, 13, 18, 30)
"""Bits of a side in the header of JPEG XL, by its selector."""


@dataclass(frozen=True, slots=True)
class _Extra:
    """A package that adds a format, and its module.

    `name`: Pillow's, of the format. `register` adds it.
    """

    package: str
    module: str
    name: str
    register: Callable[[], None]


def _register_heif() -> None:
    import pillow_heif

    # A thumbnail in the file may show another picture than the file.
    options = {"thumbnails": False, "depth_images": False, "aux_images": False}
    pillow_heif.register_heif_opener(decode_threads=1, **options)


def _register_jxl() -> None:
    from pillow_jxl import JpegXLImagePlugin

    JpegXLImagePlugin.DECODE_THREADS = 0  # no threads beside the one that decodes


_HEIF = _Extra("pillow-heif", "pillow_heif", "HEIF", _register_heif)
_EXTRAS = {
    "HEIC": _HEIF,
    "HEIF": _HEIF,
    "JPEG XL": _Extra("pillow-jxl-plugin", "pillow_jxl", "JXL", _register_jxl),
}


def extra_codec_versions() -> dict[str, str]:
    """Return the version of the package for each format of this module; "" where it is missing."""
    return {name: _version(_EXTRAS[name].package) for name in ("HEIC", "JPEG XL")}


def extra_format(data: bytes) -> str | None:
    """Return "HEIC", "HEIF" or "JPEG XL" where `data` is that, by its content, else None.

    Phones and apps also save HEIC under names that end in `.jpg`.
    """
    if data.startswith(_JPEG_XL):
        return "JPEG XL"
    name = format_by_brand(data)
    return None if name == "AVIF" else name


def format_by_brand(data: bytes) -> str | None:
    """Return the image format that the brands of an ISO base media file name, or None."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
    return next((name for name, known in _BRANDS if brands & known), None)


def load_extra_format(name: str, data: bytes) -> str:
    """Make Pillow able to read `data` of the format `name`; returns Pillow's name of the format.

    Raises `ImageError` "unsupported-format" if the package is missing or does not work, and
    Pillow's error for a JPEG XL with too many pixels, which are decoded when it is opened.
    """
    extra = _EXTRAS[name]
    try:
        extra.register()
    except ImportError as error:
        raise ImageError(
            FailureKind.UNSUPPORTED_FORMAT,
            f"the image format is {name}, which needs {extra.package}: pip install 'vecsim[heif]'",
        ) from error
    if name == "JPEG XL":
        width, height = jpeg_xl_size(data)
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError(f"{width} x {height} pixels")
    return extra.name


def load_all_extra_formats() -> None:
    """Import the packages that work; no later import looks for the others.

    For a process that can open no files afterwards.
    """
    for extra in _EXTRAS.values():
        try:
            extra.register()
        except ImportError:
            sys.modules[extra.module] = None  # type: ignore[assignment]


def jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG XL, from the first bits of its codestream.

    Raises `ImageError` "damaged" if there is none. (ISO/IEC 18181-1, SizeHeader; 18181-2, boxes.)
    """
    stream = _codestream(data)
    bits = int.from_bytes(stream[2:14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take(_LENGTHS[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _codestream(data: bytes) -> bytes:
    """Return the begin of the codestream of a JPEG XL, which may be in a box of its file."""
    if data.startswith(_JPEG_XL[0]):
        return data[:16]
    position = 0
    while position + 16 <= len(data):
        length, name = (
            int.from_bytes(data[position : position + 4], "big"),
            data[position + 4 :][:4],
        )
        start = position + (16 if length == 1 else 8)
        if length == 1:
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        if name == b"jxlc":
            return data[start : start + 16]
        if name == b"jxlp":  # a part, after its number
            return data[start + 4 : start + 20]
        if length < 8:  # up to the end of the file, or damaged
            break
        position += length
    raise ImageError(FailureKind.DAMAGED, "the JPEG XL has no codestream")


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # imports email: rarely needed

    try:
        return version(package)
    except PackageNotFoundError:
        return ""
