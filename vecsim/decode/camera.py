"""Camera and time of a photograph, as its file states them (EXIF); pixels are not decoded."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from PIL import ExifTags, Image

_FORMATS = ("JPEG", "MPO", "WEBP", "PNG", "TIFF")
_MOST = 60
"""Characters of a name at most."""


def read_camera(path: Path, byte_count: int) -> tuple[str, str]:
    """Return the camera and the day on which a picture was taken, as "2024-05-31".

    Empty where the file does not say, is not there, or has not `byte_count` bytes, so that it is
    another one than the picture that was meant.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that has no writer would block for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return "", ""
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != byte_count:
            return "", ""
        try:
            with Image.open(stream, formats=_FORMATS) as image:
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
    return name.strip()[:_MOST]


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _day(taken: object) -> str:
    """Return EXIF's 2019:07:01 10:00:00 as 2019-07-01; empty for anything else."""
    match = re.match(r"(\d{4}):(\d\d):(\d\d) ", str(taken))
    return f"{match[1]}-{match[2]}-{match[3]}" if match and match[1] != "0000" else ""
