"""One image file's bytes to a square of pixels, or an `ImageError` that says why not."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from vecsim.decode.limits import NEVER_FORMATS, PLUGINS, WEB_FORMATS, DecodeLimits
from vecsim.decode.sniff import describe, image_format
from vecsim.decode.thumbnail import thumbnail_of
from vecsim.decode.visible import on_white, upright
from vecsim.errors import FailureKind, ImageError
from vecsim.records import Decoded, Preparation

_JPEG = b"\xff\xd8\xff"
_RESAMPLE = {
    "nearest": Image.Resampling.NEAREST,
    "smooth": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
_CUT_SHORT = ("truncated", "unexpected end", "eof", "not enough", "incomplete", "premature")
"""Words by which Pillow and its codecs say that bytes are missing at the end."""

_switches = threading.Lock()


def decode_image(
    data: bytes,
    preparation: Preparation,
    limits: DecodeLimits | None = None,
    *,
    thumbnail: bool = False,
) -> Decoded:
    """Decode an image file and squash its first frame to the square `preparation` asks for.

    The picture is turned upright (EXIF), laid on white where transparent and brought to eight
    bits first. `thumbnail`: whether a small WebP of the picture is made as well.

    Raises `ImageError` of kind "not-an-image", "unsupported-format", "too-large", "truncated" or
    "damaged". Thread-safe, one image at a time in a process; a file made to harm can still kill or
    hang the process: `DecoderPool` is for those.
    """
    limits = limits or DecodeLimits()
    with _pillow_set_for(limits) as caught:
        try:
            decoded = _decode(data, preparation, limits, thumbnail)
        except Exception as error:  # Pillow raises whatever a damaged file provokes
            raise _refusal(error, _notes(caught), limits) from error
        notes = _notes(caught)
    return replace(decoded, warnings=notes)


def _decode(
    data: bytes, preparation: Preparation, limits: DecodeLimits, thumbnail: bool
) -> Decoded:
    """Decode without collecting warnings; raises whatever error Pillow has for the file."""
    image = _open(data, limits)
    side, whole = (preparation.size, preparation.size), image.size
    if preparation.resample == "smooth":
        image.draft(image.mode, side)
    reduced = image.size != whole
    image.load()
    picture, turned = upright(image)
    if reduced:
        width, height = whole[::-1] if turned else whole
    else:
        width, height = picture.size
    if not width or not height:
        raise ImageError(FailureKind.DAMAGED, f"the picture is {width} x {height} pixels")
    small = thumbnail_of(picture) if thumbnail else b""
    if preparation.resample == "nearest" and picture.mode[0] not in "IF":
        # Picking pixels and changing them one by one may change places: less to change.
        picture = squared(picture, preparation)
    square = squared(on_white(picture, preparation.mode), preparation)
    return Decoded(np.asarray(square), width, height, image.format or "", thumbnail=small)


def squared(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """`picture` squashed to the square that `preparation` asks for."""
    side = (preparation.size, preparation.size)
    if picture.size == side:
        return picture
    gap = 1.0 if preparation.resample == "smooth" else None  # three times faster
    return picture.resize(side, _RESAMPLE[preparation.resample], reducing_gap=gap)


def load_plugins(data: bytes = b"") -> None:
    """Import what opens the formats of the web; where `data` is a JPEG, only what opens that.

    Without it Pillow would import all that it has at the first format that it does not know yet.
    """
    for name in PLUGINS[:1] if data.startswith(_JPEG) else PLUGINS:
        import_module(f"PIL.{name}ImagePlugin")


def _open(data: bytes, limits: DecodeLimits) -> Image.Image:
    """The image with its header read and its size checked, pixels not yet decoded."""
    if not data:
        raise ImageError(FailureKind.NOT_AN_IMAGE, "the file is empty (0 bytes)")
    formats: tuple[str, ...] = WEB_FORMATS
    if limits.all_formats:
        Image.init()
        formats = tuple(name for name in Image.ID if name not in NEVER_FORMATS)
    load_plugins(data)
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        name = image_format(data)
        if name is None:
            raise ImageError(FailureKind.NOT_AN_IMAGE, f"not an image: {describe(data)}") from error
        if name in formats:
            raise ImageError(FailureKind.DAMAGED, f"the {name} header is damaged or cut") from error
        way_out = (
            "Pillow cannot read it"
            if limits.all_formats or name not in Image.ID
            else "it is read only where all formats are allowed"
        )
        raise ImageError(
            FailureKind.UNSUPPORTED_FORMAT, f"the image format is {name}: {way_out}"
        ) from error


def _notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """The texts of warnings, each once."""
    return tuple(dict.fromkeys(" ".join(str(each.message).split()) for each in caught))


def _refusal(error: Exception, notes: tuple[str, ...], limits: DecodeLimits) -> ImageError:
    """The `ImageError` for whatever was raised, with the warnings that came before it."""
    known = error if isinstance(error, ImageError) else _translated(error, limits)
    remarks = f" ({'; '.join(notes)[:300]})" if notes else ""
    return ImageError(known.kind, known.message + remarks)


def _translated(error: Exception, limits: DecodeLimits) -> ImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(
            FailureKind.TOO_LARGE, f"the picture has more than {limits.max_pixels:,} pixels"
        )
    if isinstance(error, MemoryError):
        return ImageError(
            FailureKind.TOO_LARGE, "the picture needs more memory than a decoder may take"
        )
    text = " ".join(str(error).split())[:200] or type(error).__name__
    short = isinstance(error, EOFError) or any(word in text.lower() for word in _CUT_SHORT)
    if isinstance(error, struct.error | zlib.error | IndexError | KeyError | TypeError):
        text = f"the file's structure is damaged ({text})"
    return ImageError(FailureKind.TRUNCATED if short else "damaged", text)


@contextmanager
def _pillow_set_for(limits: DecodeLimits) -> Iterator[list[warnings.WarningMessage]]:
    """Pillow's process-wide switches set for one image; the warnings it raised meanwhile.

    They are the whole process's, as is the recording of warnings: hence the lock.
    """
    with _switches, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = (
            Image.MAX_IMAGE_PIXELS,
            Image.WARN_POSSIBLE_FORMATS,
            ImageFile.LOAD_TRUNCATED_IMAGES,
        )
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
        Image.WARN_POSSIBLE_FORMATS = True  # say why a header was refused
        ImageFile.LOAD_TRUNCATED_IMAGES = limits.accept_truncated
        try:
            yield caught
        finally:
            (
                Image.MAX_IMAGE_PIXELS,
                Image.WARN_POSSIBLE_FORMATS,
                ImageFile.LOAD_TRUNCATED_IMAGES,
            ) = before
