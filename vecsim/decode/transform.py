"""Turns a decoded picture into what a person sees, then into a model's square and a thumbnail."""

from __future__ import annotations

import io

import numpy as np
from PIL import ExifTags, Image

from vecsim.records import Float32, Preparation

THUMBNAIL_SIDE = 160
"""Pixels of the longer side at most: what a card of a report shows, about 3 KB as WebP."""

_UNDO_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the operation that undoes it."""

_BITS_PER_SAMPLE = 258
"""The TIFF tag."""

_RESAMPLE = {
    "nearest": Image.Resampling.NEAREST,
    "smooth": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}

_WEBP_METHOD = 2
"""Half the time of WebP's default method for 4 % more bytes."""

_WEBP_QUALITY, _WEBP_QUALITY_LARGE = 60, 85
"""Of thumbnails, and of larger pictures, on which a person looks for differences."""

_SHRUNK_DIRECTLY = ("RGB", "RGBA", "L", "LA", "CMYK", "YCbCr")
"""Modes that are resized first and converted to RGB afterwards, which is faster."""


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Turn `image` (loaded) as its EXIF orientation says; also say whether its sides were swapped.

    Where EXIF data cannot be read, the picture stays as it is.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        method = _UNDO_ORIENTATION.get(orientation)
    except Exception:  # Pillow raises errors of any kind for damaged EXIF data
        return image, False
    if method is None:
        return image, False
    return image.transpose(method), orientation >= 5


def on_white(image: Image.Image, mode: str) -> Image.Image:
    """Convert `image` to `mode` ("RGB" or "L"), eight bits, transparency laid on white."""
    if image.mode == mode and not image.has_transparency_data:
        return image
    if image.mode[0] in "IF":
        image = _to_eight_bits(image)
    if image.mode == "LAB":
        image = _from_lab(image)
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(layer, mask=layer)
        image = opaque
    elif image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    return image.convert(mode) if image.mode != mode else image


def squared(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """Squash `picture` to the square that `preparation` asks for."""
    side = (preparation.size, preparation.size)
    if picture.size == side:
        return picture
    gap = 1.0 if preparation.resample == "smooth" else None  # three times faster
    return picture.resize(side, _RESAMPLE[preparation.resample], reducing_gap=gap)


def make_thumbnail(picture: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """Return `picture` (loaded, upright) as a small WebP, transparency laid on white.

    `side`: pixels of its longer side at most.

    Returns b"" where that fails: a picture that a model can take is not refused for lack of a
    thumbnail.
    """
    try:
        if picture.mode not in _SHRUNK_DIRECTLY:
            picture = on_white(picture, "RGB")
        scale = min(1.0, side / max(picture.size))
        width, height = (max(1, round(side * scale)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
        data = io.BytesIO()
        quality = _WEBP_QUALITY if side <= THUMBNAIL_SIDE else _WEBP_QUALITY_LARGE
        on_white(small, "RGB").save(data, "WEBP", quality=quality, method=_WEBP_METHOD)
        return data.getvalue()
    except Exception:  # Pillow raises errors of any kind for unusual pictures
        return b""


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale a gray picture of more than eight bits, or of floats, to "L" (or "LA")."""
    samples = np.asarray(image).astype(np.float32)
    low, high = _black_and_white(image, samples)
    scaled = (samples - low) * (255.0 / ((high - low) or 1.0))
    scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    gray = Image.fromarray(np.rint(scaled.clip(0.0, 255.0)).astype(np.uint8))
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):  # the one sample value that a PNG declares transparent
        alpha = np.where(samples == hidden, 0, 255).astype(np.uint8)
        gray = Image.merge("LA", (gray, Image.fromarray(alpha)))
    return gray


def _black_and_white(image: Image.Image, samples: Float32) -> tuple[float, float]:
    """Return the sample values that mean black and white.

    The file gives them (bits per sample), or its mode implies them. Floats imply nothing: those
    within 0..1, 0..255 or 0..65535 are taken to have that range, others are stretched.
    """
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
        return 0.0, float(2**bits - 1) if 8 < bits <= 16 else 65535.0
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if low < 0.0 or high > 65535.0:
        return low, high
    if image.mode == "I":
        return 0.0, 65535.0
    return 0.0, next(white for white in (1.0, 255.0, 65535.0) if high <= white)


def _from_lab(image: Image.Image) -> Image.Image:
    """Convert L*a*b* to sRGB, which Pillow's `convert` cannot do."""
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # never, unless the image is changed in place
        raise ValueError("no conversion from L*a*b*")
    return converted
