"""A folder of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from vecsim.errors import InputError

# HEIC and JPEG 2000 may be beyond the decoder: then they are failures with a reason, which is
# better than pictures that silently are not there.
_SUFFIXES = "avif bmp gif heic heif jfif jp2 jpe jpeg jpg png tif tiff webp"
IMAGE_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())


def list_images(folder: Path) -> Iterator[Path]:
    """Yield the images below `folder`, always in the same order.

    An image is a file with the suffix of one. The files of a folder come before its subfolders,
    both sorted by name. Hidden ones are left out, and links to folders are not followed, so that
    there can be no loop.
    """
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    for root, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(root, name)


def _unreadable(error: OSError) -> NoReturn:
    raise InputError(f"cannot read the folder {error.filename}: {error.strerror}.") from error
