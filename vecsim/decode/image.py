"""Decodes one image file to a square of pixels, or raises an `ImageError` that says why not."""

from __future__ import annotations

import contextlib
import io
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from vecsim.decode.colour import apply_transform, srgb_transform
from vecsim.decode.extra_formats import extra_format, load_extra_format
from vecsim.decode.formats import describe, formats_to_read, image_format, load_plugins
from vecsim.decode.limits import DecodeLimits
from vecsim.decode.margins import without_margins
from vecsim.decode.repair import repairs
from vecsim.decode.structure import check_structure
from vecsim.decode.transform import (
    MetadataWarning,
    entropy,
    make_thumbnail,
    on_ground,
    squared,
    upright,
)
from vecsim.errors import FailureKind, ImageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

_TRUNCATION_WORDS = ("truncated", "unexpected end", "eof", "not enough", "incomplete", "premature")
"""Words by which Pillow and its codecs say that bytes are missing at the end."""

_EXIF_WARNINGS = r"Corrupt EXIF data|Truncated File Read|Tag data larger than file|Metadata Warning"
"""Begins of warnings of Pillow about metadata that it can read only in part."""

_REPAIRED_KINDS = (FailureKind.DAMAGED, FailureKind.TRUNCATED, FailureKind.NOT_AN_IMAGE)
"""Failures that a fault beside the pixels may cause."""

_pillow_lock = threading.Lock()


def decode_image(
    data: bytes,
    preparation: Preparation,
    limits: DecodeLimits | None = None,
    thumbnail_side: int = 0,
) -> Decoded:
    """Decode an image file and squash its first frame to the square `preparation` asks for.

    The picture is turned upright (EXIF), laid on white where transparent and brought to eight
    bits first. `thumbnail_side`: a small file of the picture with sides of so many
    pixels at most is made as well, none for 0.

    Raises `ImageError` of kind "not-an-image", "unsupported-format", "too-large", "truncated" or
    "damaged". Thread-safe, one image at a time in a process; a file made to harm can still kill or
    hang the process: `DecoderPool` is for those.
    """
    limits = limits or DecodeLimits()

    def decode(data: bytes) -> Decoded:
        return _decode(data, preparation, limits, thumbnail_side)

    with configured_pillow(limits) as caught:
        try:
            decoded = decode(data)
        except Exception as error:  # Pillow raises errors of any kind for damaged files
            failure = as_image_error(error, _texts(caught), limits)
            if limits.strict or failure.kind not in _REPAIRED_KINDS:
                raise failure from error
            decoded = _decode_repaired(data, failure, decode)
        texts = _texts(caught)
    return replace(decoded, warnings=texts) if texts else decoded


def _decode_repaired(
    data: bytes, failure: ImageError, decode: Callable[[bytes], Decoded]
) -> Decoded:
    """Decode what `data` was meant to be where its faults are beside the pixels, with a warning.

    Raises `failure`, the error of `data` as it is, where they are not.
    """
    with contextlib.suppress(Exception):
        for repair in repairs(data):
            with contextlib.suppress(Exception):
                decoded = decode(repair.data)
                warnings.warn(f"{repair.note}: {failure.message}", stacklevel=1)
                return decoded
    raise failure


def _decode(
    data: bytes,
    preparation: Preparation,
    limits: DecodeLimits,
    thumbnail_side: int,
    times: int = 1,
) -> Decoded:
    """Decode without collecting warnings; raises any error that Pillow has for the file.

    A JPEG is decoded at a reduced scale that leaves `times` the size that `preparation` asks for.
    """
    image = open_image(data, limits)
    side, whole = math.ceil(preparation.size * times / (preparation.crop or 1)), image.size
    if preparation.resample == "smooth":
        luma = "YCbCr" if thumbnail_side else "L"  # a thumbnail has colours
        image.draft(luma if preparation.takes_luma else image.mode, (side, side))
    if isinstance(image, ImageFile.ImageFile) and image.format == "JPEG":
        # Given to its decoder at once: in parts of 64 KB, each would be copied once more.
        image.decodermaxblock = max(len(data), image.decodermaxblock)
    reduced = image.size != whole
    image.load()
    picture, swapped = upright(image)
    if reduced:
        width, height = whole[::-1] if swapped else whole
    else:
        width, height = picture.size
    if not width or not height:
        raise ImageError(FailureKind.DAMAGED, f"the picture is {width} x {height} pixels")
    as_seen = preparation.colours == "srgb"
    transform = srgb_transform(image, used=as_seen or thumbnail_side > 0)

    def as_srgb(picture: Image.Image) -> Image.Image:
        return apply_transform(picture, transform)

    small = make_thumbnail(picture, thumbnail_side, as_srgb) if thumbnail_side else b""
    if picture.mode == "YCbCr" and preparation.takes_luma:
        picture = picture.convert("L")  # the luma alone, unchanged
    trimmed = preparation.margins == "trimmed"
    if preparation.resample == "nearest" and picture.mode[0] not in "IF" and not trimmed:
        # Nearest-neighbour picks pixels and `on_white` changes each by itself, so their order does
        # not matter; this order changes fewer pixels.
        picture = squared(picture, preparation)
    mode = "RGB" if as_seen else preparation.mode
    picture = on_ground(picture, mode, preparation.ground)
    if trimmed:
        picture = without_margins(picture)
        if reduced and times == 1 and min(picture.size) < preparation.size:
            # The part of the picture that is left was decoded with too few pixels.
            return _decode(data, preparation, limits, thumbnail_side, 4)
    square = squared(picture, preparation)
    if as_seen:
        square = as_srgb(square).convert(preparation.mode)
    pixels, format_ = np.asarray(square), image.format or ""
    return Decoded(pixels, width, height, format_, (), small, entropy(square))


def open_image(data: bytes, limits: DecodeLimits) -> Image.Image:
    """Read the header and check the size; pixels are not decoded yet."""
    if not data:
        raise ImageError(FailureKind.NOT_AN_IMAGE, "the file is empty (0 bytes)")
    formats = formats_to_read(all_formats=limits.all_formats)
    if extra := extra_format(data):
        formats = (load_extra_format(extra, data),)
    load_plugins(data)
    check_structure(data)
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        name = image_format(data)
        if name is None:
            raise ImageError(FailureKind.NOT_AN_IMAGE, f"not an image: {describe(data)}") from error
        if name in formats or extra:
            raise ImageError(FailureKind.DAMAGED, f"the {name} header is damaged or cut") from error
        reason = (
            "Pillow cannot read it"
            if limits.all_formats or name not in Image.ID
            else "it is read only where all formats are allowed"
        )
        raise ImageError(
            FailureKind.UNSUPPORTED_FORMAT, f"the image format is {name}: {reason}"
        ) from error


def _texts(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return the texts of warnings, each once."""
    return tuple(dict.fromkeys(" ".join(str(each.message).split()) for each in caught))


def as_image_error(
    error: Exception, texts: tuple[str, ...] = (), limits: DecodeLimits | None = None
) -> ImageError:
    """Make an `ImageError` of any error, with the texts of the warnings that came before it."""
    known = error if isinstance(error, ImageError) else _translated(error, limits or DecodeLimits())
    remarks = f" ({'; '.join(texts)[:300]})" if texts else ""
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
    cut = isinstance(error, EOFError) or any(word in text.lower() for word in _TRUNCATION_WORDS)
    if isinstance(error, struct.error | zlib.error | IndexError | KeyError | TypeError):
        text = f"the file's structure is damaged ({text})"
    return ImageError(FailureKind.TRUNCATED if cut else FailureKind.DAMAGED, text)


@contextmanager
def configured_pillow(limits: DecodeLimits) -> Iterator[list[warnings.WarningMessage]]:
    """Set Pillow's global settings for one image; yields the warnings that Pillow raises.

    The settings and the recording of warnings affect the whole process: hence the lock.
    """
    with _pillow_lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if limits.strict:
            warnings.simplefilter("error", MetadataWarning)
            warnings.filterwarnings("error", _EXIF_WARNINGS)
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
