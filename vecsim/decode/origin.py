"""Signs of where a picture comes from: a camera, a day, a program, another file."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from vecsim import system
from vecsim.decode.image import configured_pillow, open_image
from vecsim.decode.limits import DecodeLimits
from vecsim.decode.transform import on_white, upright

_EDITORS = re.compile(
    r"photoshop|lightroom|gimp|snapseed|picasa|paint|affinity|canva|pixelmator|luminar|darktable|"
    r"rawtherapee|imagemagick|vsco|instagram|facetune",
    re.IGNORECASE,
)
_SCREENSHOT = re.compile(r"screen\s?shot|snipping|flameshot|spectacle|grim\b", re.IGNORECASE)
_GREY_SPREAD = (
    4.0  # mean difference of the colours of a pixel, of 255; JPEG and WebP change grey by 1 or 2
)
_SAMPLE = (64, 64)
_LIMITS = DecodeLimits()


@dataclass(frozen=True, slots=True)
class Origin:
    """What a picture's own data says about its origin. Without such data, all is as here.

    `camera`: whether a camera is named. `edited`: whether a program for editing is. `resized`:
    whether the camera took it in another size. `taken_at`: local time, ISO 8601, or empty.
    `screenshot`: whether it says that it is one.
    """

    camera: bool = False
    edited: bool = False
    resized: bool = False
    taken_at: str = ""
    screenshot: bool = False


def read_origin(data: bytes) -> Origin:
    """Read the origin of an image file; pixels are not decoded. Damaged data says nothing."""
    try:
        with configured_pillow(_LIMITS):
            return _origin(open_image(data, _LIMITS))
    except Exception:  # Pillow raises errors of any kind for damaged files
        return Origin()


def _origin(image: Image.Image) -> Origin:
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    base = ExifTags.Base
    sides = [details.get(tag) for tag in (base.ExifImageWidth, base.ExifImageHeight)]
    taken_size = sorted(int(side) for side in sides if side)
    software = str(exif.get(base.Software) or image.info.get("Software") or "")
    comment = details.get(base.UserComment) or b""
    comment = comment.decode("latin-1") if isinstance(comment, bytes) else str(comment)
    return Origin(
        camera=any(tag in exif for tag in (base.Make, base.Model)) or base.FNumber in details,
        edited=bool(_EDITORS.search(software)),
        resized=len(taken_size) == 2 and taken_size != sorted(image.size),
        taken_at=_iso_time(details.get(base.DateTimeOriginal)),
        screenshot=bool(_SCREENSHOT.search(software) or _SCREENSHOT.search(comment)),
    )


def _iso_time(text: object) -> str:
    """Convert EXIF's 2019:07:01 10:00:00 to ISO 8601; empty for anything else."""
    match = re.match(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", str(text))
    if match is None or match[1] == "0000":
        return ""
    return f"{match[1]}-{match[2]}-{match[3]}T{match[4]}"


def is_grey(data: bytes) -> bool | None:
    """Tell whether a picture has no colours; None if it cannot be decoded."""
    try:
        with configured_pillow(_LIMITS):
            image = open_image(data, _LIMITS)
            image.draft(image.mode, _SAMPLE)
            sample = on_white(image, "RGB").resize(_SAMPLE, Image.Resampling.BOX)
    except Exception:  # as above
        return None
    pixels = np.asarray(sample).astype(np.float32)
    return bool((pixels.max(axis=2) - pixels.min(axis=2)).mean() < _GREY_SPREAD)


def pixel_hash(data: bytes) -> str | None:
    """Return the SHA-256 of the decoded, upright picture in RGB; None if it cannot be decoded.

    The same for a lossy file and a lossless copy of what it shows.
    """
    try:
        with configured_pillow(_LIMITS):
            image = open_image(data, _LIMITS)
            image.load()
            picture = on_white(upright(image)[0], "RGB")
    except Exception:  # as above
        return None
    digest = hashlib.sha256(repr(picture.size).encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


# -- camera and day ----------------------------------------------------------------------------

_PHOTO_FORMATS = ("JPEG", "MPO", "WEBP", "PNG", "TIFF")
_MAX_CAMERA_NAME = 60  # characters


def read_camera(path: Path, byte_count: int) -> tuple[str, str]:
    """Return the camera and the day on which a picture was taken, as "2024-05-31".

    Empty where the file does not say, is not there, or has not `byte_count` bytes, so that it is
    another one than the picture that was meant.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that has no writer would block forever.
        descriptor = os.open(path, os.O_RDONLY | system.PLAIN)
    except (OSError, ValueError):
        return "", ""
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != byte_count:
            return "", ""
        try:
            with Image.open(stream, formats=_PHOTO_FORMATS) as image:
                exif = image.getexif()
                taken = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
                make, model = exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model)
        except Exception:  # Pillow raises errors of any kind for damaged files
            return "", ""
    return _camera(_text(make), _text(model)), _day(taken)


def _camera(make: str, model: str) -> str:
    """Return maker and model, the maker once: many models begin with it."""
    first = make.partition(" ")[0]
    name = model if first and model.casefold().startswith(first.casefold()) else f"{make} {model}"
    return name.strip()[:_MAX_CAMERA_NAME]


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _day(taken: object) -> str:
    """Return EXIF's 2019:07:01 10:00:00 as 2019-07-01; empty for anything else."""
    match = re.match(r"(\d{4}):(\d\d):(\d\d) ", str(taken))
    return f"{match[1]}-{match[2]}-{match[3]}" if match and match[1] != "0000" else ""
