"""The small picture kept beside a vector, for people to look at."""

from __future__ import annotations

import io

from PIL import Image

from vecsim.decode.visible import on_white

SIDE = 160
"""Pixels of the longer side at most: what a card of a report shows, about 3 KB as WebP."""

_QUALITY, _METHOD = 60, 2
"""Half the time of WebP's default method for 4 % more bytes."""

_SHRINKS_WELL = ("RGB", "RGBA", "L", "LA", "CMYK", "YCbCr")


def thumbnail_of(picture: Image.Image) -> bytes:
    """`picture` (loaded, upright) as a small WebP, transparency laid on white; empty if it fails.

    A picture that a model can take is not refused for want of a thumbnail.
    """
    try:
        if picture.mode not in _SHRINKS_WELL:
            picture = on_white(picture, "RGB")
        scale = min(1.0, SIDE / max(picture.size))
        width, height = (max(1, round(side * scale)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
        data = io.BytesIO()
        on_white(small, "RGB").save(data, "WEBP", quality=_QUALITY, method=_METHOD)
        return data.getvalue()
    except Exception:  # Pillow raises whatever an odd picture provokes
        return b""
