"""What a single image may cost, and which image formats are opened at all."""

from __future__ import annotations

from dataclasses import dataclass

WEB_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "PPM", "ICO")
"""Pillow's names of the formats opened by default: what browsers show, what scanners write (TIFF)
and the plain PBM/PGM/PPM family. JPEG includes MPO, the phones' JPEG with a second picture behind
the first. Every further parser is attack surface."""

PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Avif", "Bmp", "Tiff", "Ppm", "Ico")
"""Pillow's plug-ins that open them, in the same order."""

NEVER_FORMATS = ("EPS",)
"""Off even with `all_formats`: Pillow would start Ghostscript on a stranger's program."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one image may cost.

    `max_pixels`: width times height, checked before pixels are allocated. `deadline`: seconds a
    decoder process may take (`DecoderPool` only). `memory`: bytes a decoder process may take
    beyond what it starts with (`DecoderPool` only; enforced where the system can, as Linux does).
    `accept_truncated`: an image cut short is used as far as it goes. `all_formats`: everything
    Pillow reads, except `NEVER_FORMATS`.
    """

    max_pixels: int = 100_000_000
    deadline: float = 20.0
    memory: int = 1 << 30
    accept_truncated: bool = False
    all_formats: bool = False
