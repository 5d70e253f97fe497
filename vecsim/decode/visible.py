"""A picture as a person sees it: upright, on white, in eight bits, whatever the file stores."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image

from vecsim.records import Float32

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what undoes it."""

_BITS_PER_SAMPLE = 258
"""The TIFF tag."""


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """`image` (loaded) turned as its EXIF orientation says, and whether its sides changed places.

    EXIF data that cannot be read says nothing: the picture stays as it is.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        method = _UPRIGHT.get(orientation)
    except Exception:  # Pillow raises whatever the damaged block provokes
        return image, False
    if method is None:
        return image, False
    return image.transpose(method), orientation >= 5


def on_white(image: Image.Image, mode: str) -> Image.Image:
    """`image` in `mode` ("RGB" or "L"), eight bits, transparency laid on white."""
    if image.mode == mode and not image.has_transparency_data:
        return image
    if image.mode[0] in "IF":
        image = _eight_bits(image)
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


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray picture of more than eight bits, or of floats, scaled to "L" (or "LA")."""
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
    """The sample values that mean black and white.

    They are what the file says (bits per sample) or what its mode implies. Floats imply nothing:
    those that fit in 0..1, 0..255 or 0..65535 are taken to be of it, others are stretched.
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
    """L*a*b* to sRGB; Pillow's own `convert` does not know the way."""
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only where the image is changed in place
        raise ValueError("no conversion from L*a*b*")
    return converted
