"""Settings of decoding: the limits for one image, and all that a decoder process is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from vecsim.records import Preparation

THUMBNAIL_SIDE = 160
"""Pixels of the longer side at most: what a card of a report shows, about 3 KB as WebP."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits for decoding one image: pixels, seconds, bytes.

    `max_pixels`: width times height, checked before pixels are allocated. `deadline`: seconds a
    decoder process may take (`DecoderPool` only). `memory`: bytes a decoder process may take
    beyond what it starts with (`DecoderPool` only; enforced where the system can, as Linux does).
    `accept_truncated`: whether an image that is cut short is used as far as it goes.
    `all_formats`: whether everything that Pillow reads is read, except EPS.
    """

    max_pixels: int = 100_000_000
    deadline: float = 20.0
    memory: int = 1 << 30
    accept_truncated: bool = False
    all_formats: bool = False


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """What a decoder process is told when it starts, as one command-line argument.

    `thumbnail_side`: pixels of the longer side of the WebP that is made of each picture at most; 0
    makes none.
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
