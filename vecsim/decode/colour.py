"""Colour profiles: pictures in other RGB spaces (Display P3, Adobe RGB, …) turned into sRGB."""

from __future__ import annotations

import io
import itertools
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vecsim.decode.transform import MetadataWarning

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform as Transform

_MAX_PROFILE_BYTES = 4 << 20
_SAME = 3
"""Differences of colours, of 255, up to which a profile counts as sRGB: profiles of sRGB differ."""

_LEVELS = (0, 64, 128, 192, 255)


def srgb_transform(image: Image.Image, *, used: bool = True) -> Transform | None:
    """Return what turns the RGB pixels of `image` into sRGB; None where they are in it already.

    `used`: False where only the warning is wanted, which takes a fifth of the time; returns None.
    Pictures without a profile, or with one of another kind (grey, CMYK), count as sRGB. So does one
    whose profile cannot be read, with a `MetadataWarning`.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None
    transform = _transform_from(profile, used)
    if isinstance(transform, str):
        message = f"the colour profile cannot be read, so the picture is taken as sRGB: {transform}"
        warnings.warn(message, MetadataWarning, stacklevel=2)
        return None
    return transform


def apply_transform(picture: Image.Image, transform: Transform | None) -> Image.Image:
    """Return `picture` (mode RGB) in sRGB."""
    if transform is None:
        return picture
    from PIL import ImageCms  # imported with the first profile: most pictures have none

    converted = ImageCms.applyTransform(picture, transform)
    if converted is None:  # never, unless the image is changed in place
        raise ValueError("no conversion to sRGB")
    return converted


@lru_cache(maxsize=32)
def _transform_from(profile: bytes, used: bool) -> Transform | str | None:
    """Return the transform from `profile` to sRGB, None for no change, or why there is none.

    `used`: False to find out only whether there is one.
    """
    if len(profile) > _MAX_PROFILE_BYTES:
        return f"it has {len(profile):,} bytes"
    from PIL import ImageCms  # as above

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB":
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            "RGB",
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # Otherwise tables are computed, for some milliseconds.
            flags=ImageCms.Flags.NONE if used else ImageCms.Flags.NOOPTIMIZE,
        )
        return None if not used or _changes_nothing(transform) else transform
    except Exception as error:  # Pillow raises errors of several kinds for damaged profiles
        return " ".join(str(error).split())[:100] or type(error).__name__


def _changes_nothing(transform: Transform) -> bool:
    """Tell whether a transform leaves a sample of all colours nearly as they are."""
    colours = np.array([list(itertools.product(_LEVELS, repeat=3))], np.uint8)
    changed = apply_transform(Image.fromarray(colours), transform)
    return bool(np.abs(np.asarray(changed).astype(int) - colours).max() <= _SAME)
