"""Turns a decoded picture into what a person sees, then into a model's square and a thumbnail."""

from __future__ import annotations

import io
import math
import warnings
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
from PIL import ExifTags, Image

from vecsim.decode.limits import THUMBNAIL_SIDE
from vecsim.protocols import Preparation
from vecsim.records import Float32, is_uniform

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
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_WEBP_METHOD = 2
"""Half the time of WebP's default method for 4 % more bytes."""

_WEBP_QUALITY = 85
"""Of pictures larger than thumbnails, on which a person looks for differences."""

_JPEG_QUALITY = 65
"""Of thumbnails, which take an eighth of the time of WebP of quality 60 and 0.8 dB less, with 21 %
more bytes."""

_SAMPLE_SIDE = 64
_STEP = 24
"""Levels of a channel, of 256, that count as one where the entropy of a picture is measured."""

_SHRUNK_DIRECTLY = ("RGB", "RGBA", "L", "LA", "CMYK", "YCbCr")
"""Modes that are resized first and converted to RGB afterwards, which is faster."""


class MetadataWarning(UserWarning):
    """What is beside the pixels of a picture cannot be read."""


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Turn `image` (loaded) as its EXIF orientation says; also say whether its sides were swapped.

    Where EXIF data cannot be read, the picture stays as it is, with a `MetadataWarning`.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        method = _UNDO_ORIENTATION.get(orientation)
    except Exception as error:  # Pillow raises errors of any kind for damaged EXIF data
        text = " ".join(str(error).split())[:100] or type(error).__name__
        warnings.warn(f"the EXIF data cannot be read: {text}", MetadataWarning, stacklevel=2)
        return image, False
    if method is None:
        return image, False
    return image.transpose(method), orientation >= 5


def on_white(image: Image.Image, mode: str, ground: str = "white") -> Image.Image:
    """Convert `image` to `mode` ("RGB" or "L"), eight bits, transparency laid on `ground`."""
    if image.mode == mode and not image.has_transparency_data:
        return image
    if image.mode[0] in "IF":
        image = _to_eight_bits(image)
    if image.mode == "LAB":
        image = _from_lab(image)
    if image.has_transparency_data:
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        opaque = Image.new("RGB", image.size, ground)
        opaque.paste(layer, mask=layer)
        image = opaque
    elif image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    return image.convert(mode) if image.mode != mode else image


def on_ground(image: Image.Image, mode: str, ground: str) -> Image.Image:
    """Convert `image` to `mode`, transparency laid on the `ground` of a `Preparation`.

    "contrast": black instead of white where nothing of the picture shows on white.
    """
    picture = on_white(image, mode)
    if ground == "contrast" and image.has_transparency_data and is_uniform(entropy(picture)):
        on_black = on_white(image, mode, "black")
        if not is_uniform(entropy(on_black)):
            return on_black
    return picture


def entropy(picture: Image.Image) -> int:
    """Return how much varies in `picture` (mode RGB or L), in thousandths of a bit.

    The entropy of the levels of that channel which has the most, in steps of `_STEP` levels around
    their median: noise and the blocks of JPEG have none, a small letter on a page has some. Of
    `_SAMPLE_SIDE` by `_SAMPLE_SIDE` pixels.
    """
    if max(picture.size) > _SAMPLE_SIDE:
        picture = picture.resize((_SAMPLE_SIDE, _SAMPLE_SIDE), Image.Resampling.NEAREST)
    counts = picture.histogram()
    channels = (counts[start : start + 256] for start in range(0, len(counts), 256))
    return round(1000 * max(map(_entropy_of_levels, channels)))


def _entropy_of_levels(counts: Sequence[int]) -> float:
    """Return the entropy, in bits, of 256 counts of levels that are joined in steps of `_STEP`."""
    below = list(accumulate(counts, initial=0))
    total = below[-1]
    median = bisect_left(below, (total + 1) // 2) - 1
    first = (median - _STEP // 2) % _STEP
    terms = _entropy_terms(total)
    bits, before = 0.0, 0
    for end in (*below[first:256:_STEP], total):
        bits += terms[end - before]
        before = end
    return bits


@lru_cache(maxsize=4)
def _entropy_terms(total: int) -> list[float]:
    """Return what a level adds to the entropy, in bits, by its number of pixels of `total`."""
    shares = (count / total for count in range(1, total + 1))
    return [0.0, *(-share * math.log2(share) for share in shares)]


def squared(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """Squash `picture`, or the square in its middle, to the square `preparation` asks for."""
    if preparation.crop:
        picture = middle_of(picture, preparation.crop)
    side = (preparation.size, preparation.size)
    if picture.size == side:
        return picture
    gap = 1.0 if preparation.resample == "smooth" else None  # three times faster
    return picture.resize(side, _RESAMPLE[preparation.resample], reducing_gap=gap)


def middle_of(picture: Image.Image, share: float) -> Image.Image:
    """Return the square in the middle of `picture`, with `share` of its shorter side."""
    side = max(1, round(min(picture.size) * share))
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def make_thumbnail(
    picture: Image.Image,
    side: int = THUMBNAIL_SIDE,
    as_srgb: Callable[[Image.Image], Image.Image] = lambda picture: picture,
) -> bytes:
    """Return `picture` (loaded, upright) as a small file, transparency laid on white.

    A JPEG up to the `side` of a thumbnail, a WebP above. `side`: pixels of its longer side at most.
    `as_srgb` converts the colours of an RGB picture.

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
        small = as_srgb(on_white(small, "RGB"))
        if side <= THUMBNAIL_SIDE:
            small.save(data, "JPEG", quality=_JPEG_QUALITY, optimize=True)
        else:
            small.save(data, "WEBP", quality=_WEBP_QUALITY, method=_WEBP_METHOD)
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
