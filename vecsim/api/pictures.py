"""Converts one image that a caller holds, in memory or by address, to a reference."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vecsim.decode import file_of_picture, file_of_pixels
from vecsim.errors import FailureKind, ImageError, UsageError
from vecsim.fetch import make_fetched
from vecsim.operations.requests import as_fields, check_id
from vecsim.records import ImageRef, UInt8, UnusableRef
from vecsim.sources import url_of_file


class SupportsRead(Protocol):
    """An open binary file."""

    def read(self) -> bytes:
        """Return its bytes."""


class SupportsArray(Protocol):
    """What gives its pixels as a NumPy array, such as a tensor."""

    def __array__(self) -> npt.NDArray[Any]: ...


Reference: TypeAlias = (
    str
    | os.PathLike[str]
    | ImageRef
    | bytes
    | bytearray
    | memoryview
    | SupportsRead
    | Image.Image
    | UInt8
    | SupportsArray
)
"""An image: its URL or path, an `ImageRef` with an id of its own, the bytes of its file, an open
binary file, a Pillow image, or pixels, uint8 (height, width, 3) in the order RGB; also (height,
width) for grey and 4 channels with alpha.
"""

TAKEN = (
    "give a URL, a path, an ImageRef, bytes, an open binary file, a Pillow image or pixels, uint8 "
    "(height, width, 3)"
)
KNOWN = (str, os.PathLike, ImageRef, bytes, bytearray, memoryview, Image.Image)
_URL = re.compile(r"(https?|file):", re.IGNORECASE)
_LARGEST_SHOWN = 60


def is_url(text: object) -> bool:
    """Tell whether `text` is a URL of an image, and not the path of a list or folder."""
    return isinstance(text, str) and _URL.match(text) is not None


def as_ref(
    image: object,
    image_id: object = None,
    fields: Mapping[str, str] | None = None,
    place: str = "the image",
) -> ImageRef:
    """Convert one image. A URL or path is its own id, a picture in memory has its SHA-256.

    `place`: names the image in messages. A picture that cannot be read gives an `UnusableRef`,
    which becomes a failure. Raises `UsageError` for what is no image, `InputError` for an id that
    cannot be stored.
    """
    name = None if image_id is None else check_id(image_id, place)
    carried = as_fields(fields, place)
    image = checked_image(image, place)
    if isinstance(image, ImageRef):
        check_id(image.id, place)
        changes: dict[str, Any] = {} if name is None else {"id": name}
        changes |= {} if fields is None else {"fields": carried}
        return replace(image, **changes) if changes else image
    if isinstance(image, str | os.PathLike):
        url = url_of_file(Path(text)) if not is_url(text := os.fspath(image)) else text
        return ImageRef(name or ImageRef.of_url(url).id, url, carried)
    try:
        fetched = make_fetched(_file_of(image, place), final_url="")
    except ImageError as error:
        shown = name or place
        return UnusableRef(shown, "", carried, place, kind=error.kind, message=error.message)
    return ImageRef(name or fetched.facts.sha256, "", carried, place, fetched=fetched)


def is_vectors(images: object) -> bool:
    """Tell whether an array holds vectors, and no pixels: every NumPy array that is not uint8."""
    return (
        isinstance(images, np.ndarray)
        and images.dtype.kind in "fiub"
        and not _are_pixels(images.dtype, images.ndim)
    )


def _are_pixels(dtype: np.dtype[Any], dimensions: int) -> bool:
    return dtype == np.uint8 and dimensions in (2, 3, 4)


def checked_image(image: object, place: str) -> Any:
    """Return an image, an array as such. Raises `UsageError` for what is none."""
    if isinstance(image, str) and not image:
        raise UsageError(f"{place} is an empty text: {TAKEN}.")
    if isinstance(image, KNOWN) or callable(getattr(image, "read", None)):
        return image
    if hasattr(image, "__array__"):
        return as_pixels(array_of(image, place), place)
    raise UsageError(f"{place}: {described(image)} is no image: {TAKEN}.")


def read_now(image: Any) -> Any:
    """Return an image that can be converted twice: an open file as its bytes."""
    is_file = callable(getattr(image, "read", None)) and not isinstance(image, Image.Image)
    return _file_of(image, "the file") if is_file else image


def _file_of(image: Any, place: str) -> bytes:
    """Return the bytes of an image file, made of pixels where there is none.

    Raises `ImageError` for what cannot be read, `UsageError` for a file of text.
    """
    if isinstance(image, Image.Image):
        return file_of_picture(image)
    if isinstance(image, np.ndarray):
        return file_of_pixels(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    try:
        data = image.read()
    except OSError as error:
        raise ImageError(FailureKind.NO_FILE, f"it cannot be read: {error}") from error
    except ValueError as error:
        raise UsageError(f"{place}: {described(image)} cannot be read: {error}.") from error
    if not isinstance(data, bytes):
        raise UsageError(f"{place}: {described(image)} gives text: open it in binary mode.")
    return data


def array_of(value: Any, place: str) -> npt.NDArray[Any]:
    """Return what has `__array__` as a NumPy array. Raises `UsageError` where it gives none."""
    try:
        return value if isinstance(value, np.ndarray) else np.asarray(value)
    except Exception as error:  # each library raises its own: a tensor of a GPU, for one
        raise UsageError(f"{place}: {described(value)} gives no array: {error}") from error


def as_pixels(array: npt.NDArray[Any], place: str) -> npt.NDArray[Any]:
    """Return an array that is a picture: uint8 (h, w), or (h, w, 1 to 4). Raises `UsageError`."""
    shape = array.shape
    fits = len(shape) == 2 or (len(shape) == 3 and 1 <= shape[2] <= 4)
    if array.dtype == np.uint8 and fits:
        return array
    advice = ""
    if len(shape) == 3 and not fits and 1 <= shape[0] <= 4:
        advice = " Channels come last: array.transpose(1, 2, 0)."
    elif array.dtype.kind == "f" and fits and len(shape) == 3:
        advice = " Convert pixels from 0 to 1 with (255 * array).round().astype('uint8')."
    elif array.dtype.kind == "f":
        advice = " Vectors are taken by from_vectors, add_vectors and query."
    raise UsageError(
        f"{place}: an array {array.dtype} {shape} is no picture, which is uint8 "
        f"(height, width, 3).{advice}"
    )


def described(value: object) -> str:
    """Return what a value is, in a few words."""
    text = repr(value)
    shown = text if len(text) <= _LARGEST_SHOWN else f"{text[:_LARGEST_SHOWN]}…"
    return f"{shown} ({type(value).__name__})"
