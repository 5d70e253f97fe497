"""Image formats: which are read, which codecs Pillow has, and what other bytes look like.

A message that says "an HTML page" helps where "cannot identify image file" does not.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from importlib import import_module

from PIL import Image, features

from vecsim.decode.extra_formats import extra_format, format_by_brand

WEB_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "PPM", "ICO")
"""Pillow's names of the formats read by default: what browsers show, what scanners write (TIFF)
and the plain PBM/PGM/PPM family. JPEG includes MPO, the phones' JPEG with a second picture behind
the first. Every further parser is attack surface."""

_PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Avif", "Bmp", "Tiff", "Ppm", "Ico")
"""Pillow's plug-ins that read them, in the same order."""

_NEVER_FORMATS = ("EPS",)
"""Off even where all formats are read: Pillow would run Ghostscript on a program in the file."""

_CODECS = {"libjpeg_turbo": "JPEG turbo", "zlib": "PNG", "webp": "WebP", "avif": "AVIF"}
_JPEG = b"\xff\xd8\xff"

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"%PDF-", 0, "a PDF document"),
    (b"PK\x03\x04", 0, "a zip archive"),
    (b"\x1f\x8b", 0, "gzip-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive"),
    (b"Rar!", 0, "a RAR archive"),
    (b"\x1aE\xdf\xa3", 0, "a video (Matroska or WebM)"),
    (b"OggS", 0, "an Ogg audio or video file"),
    (b"ID3", 0, "an MP3 file"),
    (b"RIFF", 0, "a RIFF audio or video file"),
    (b"ftyp", 4, "a video (MP4)"),
    (b"\x7fELF", 0, "a program"),
    (b"MZ", 0, "a program"),
)
"""(bytes, offset, what it is); the first that matches counts. Image formats are tried before."""

_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE)
_AMBIGUOUS = {"MPEG", "PCX", "DCX", "CUR", "PIXAR", "GBR", "IPTC", "IMT", "XVTHUMB", "MCIDAS"}
"""Formats whose few magic bytes occur in any kind of file: no evidence worth reporting."""


def codec_versions() -> dict[str, str]:
    """Return the version of each codec that images on the web need; "" where it is missing."""
    return {
        name: (features.version(feature) or "" if features.check(feature) else "")
        for feature, name in _CODECS.items()
    }


def formats_to_read(*, all_formats: bool) -> tuple[str, ...]:
    """Return Pillow's names of the formats that are read."""
    if not all_formats:
        return WEB_FORMATS
    Image.init()
    return tuple(name for name in Image.ID if name not in _NEVER_FORMATS)


def load_plugins(data: bytes = b"") -> None:
    """Import what reads `WEB_FORMATS`; where `data` is a JPEG, only what reads that.

    Otherwise Pillow would import all its plug-ins at the first format that it does not know yet.
    """
    for name in _PLUGINS[:1] if data.startswith(_JPEG) else _PLUGINS:
        import_module(f"PIL.{name}ImagePlugin")


def image_format(data: bytes) -> str | None:
    """Return the image format that the first bytes of `data` name (Pillow's name), or None.

    Only signatures are compared; no parser of a format that is switched off runs.
    """
    prefix = data[:16]
    if name := extra_format(data) or format_by_brand(data):
        return name
    Image.init()  # imports the remaining plug-ins, so that their signatures are known
    for name, (_factory, accept) in Image.OPEN.items():
        if name not in _AMBIGUOUS and accept is not None and _accepts(accept, prefix):
            return name
    return "SVG" if _SVG.search(data[:1024]) and not _HTML.search(data[:512]) else None


def _accepts(accept: Callable[[bytes], object], prefix: bytes) -> bool:
    try:
        return bool(accept(prefix))
    except (struct.error, IndexError):  # `prefix` is shorter than the signature
        return False


def describe(data: bytes) -> str:
    """Say what `data`, which is not an image, seems to be: "an HTML page", "plain text"."""
    if not data:
        return "nothing (0 bytes)"
    for magic, offset, name in _MAGIC:
        if data.startswith(magic, offset):
            return name
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _HTML.search(head):
        return "an HTML page"
    if head.startswith((b"<?xml", b"<")):
        return "an XML document"
    if not data.strip(b"\0"):
        return f"{len(data)} zero bytes"
    if _is_text(data[:1024]):
        return "JSON" if head[:1] in (b"{", b"[") else "plain text"
    return f"unknown data (it starts with {data[:8].hex(' ')})"


def _is_text(sample: bytes) -> bool:
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # The end of the sample may have cut a character in two.
        if error.start < len(sample) - 3:
            return False
        text = sample[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)
