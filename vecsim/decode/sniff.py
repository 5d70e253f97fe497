"""Saying what bytes are that no decoder took: "an HTML page" helps, "cannot identify" does not."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from PIL import Image

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
"""(bytes, offset, what it is), the first that fits wins. Images are asked for before this."""

_IMAGE_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"ftyphei", 4, "HEIC"),
    (b"ftyphev", 4, "HEIC"),
    (b"ftypmif1", 4, "HEIF"),
    (b"ftypavi", 4, "AVIF"),
    (b"\xff\x0a", 0, "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", 0, "JPEG XL"),
)
"""Image formats that Pillow does not read, or reads only in some builds."""

_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE)
_LOOSE = {"MPEG", "PCX", "DCX", "CUR", "PIXAR", "GBR", "IPTC", "IMT", "XVTHUMB", "MCIDAS"}
"""Formats whose few magic bytes occur in anything: no evidence worth reporting."""


def image_format(data: bytes) -> str | None:
    """The image format that `data` claims to be by its first bytes (Pillow's name), or None.

    Only signatures are compared; no parser of a format that is switched off runs.
    """
    prefix = data[:16]
    for magic, offset, name in _IMAGE_MAGIC:
        if data.startswith(magic, offset):
            return name
    Image.init()  # imports the remaining plug-ins, so that their signatures are known
    for name, (_factory, accept) in Image.OPEN.items():
        if name not in _LOOSE and accept is not None and _accepts(accept, prefix):
            return name
    return "SVG" if _SVG.search(data[:1024]) and not _HTML.search(data[:512]) else None


def _accepts(accept: Callable[[bytes], object], prefix: bytes) -> bool:
    try:
        return bool(accept(prefix))
    except (struct.error, IndexError):  # fewer bytes than the signature has
        return False


def describe(data: bytes) -> str:
    """What `data`, which is not an image, seems to be, as in "an HTML page" or "plain text"."""
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
        # The sample may have cut the last character in two.
        if error.start < len(sample) - 3:
            return False
        text = sample[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text)
