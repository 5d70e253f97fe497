"""Limits for decoding one image, as options, and of thumbnails; imports no Pillow."""

from __future__ import annotations

from dataclasses import dataclass

from vecsim.errors import UsageError

THUMBNAIL_SIDE = 160
"""Pixels of the longer side of a thumbnail at most: what a card of a report shows, about 4 KB as
JPEG."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits for decoding one image: pixels, seconds, bytes.

    `max_pixels`: width times height, checked before pixels are allocated. `deadline`: seconds a
    decoder process may take (`DecoderPool` only). `memory`: bytes a decoder process may take
    beyond what it starts with (`DecoderPool` only; enforced where the system can, as Linux does).
    `accept_truncated`: whether an image that is cut short is used as far as it goes.
    `all_formats`: whether everything that Pillow reads is read, except EPS.
    `strict`: whether an image with faults beside its pixels (metadata, end marker) is a failure,
    not a picture with a warning. Excludes `accept_truncated`.
    """

    max_pixels: int = 100_000_000
    deadline: float = 20.0
    memory: int = 1 << 30
    accept_truncated: bool = False
    all_formats: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        """Raise `UsageError` for settings that exclude each other."""
        if self.strict and self.accept_truncated:
            raise UsageError("Images that are cut short are accepted, or faults refused, not both.")
