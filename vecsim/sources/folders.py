"""Folders of images: which files are listed, and what is passed over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vecsim import system
from vecsim.errors import InputError, StoppedError
from vecsim.records import ImageRef
from vecsim.sources.cells import IMAGE_SUFFIXES
from vecsim.sources.options import SourceOptions
from vecsim.sources.reading import Reading

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_JUNK_FOLDERS = re.compile(
    r"@eaDir|#recycle|#snapshot|@Recycle|@Recently-Snapshot|\$RECYCLE\.BIN|RECYCLER|Recycled"
    r"|System Volume Information|lost\+found|__MACOSX",
    re.IGNORECASE,
)
"""Folders that NAS systems, Windows and archives make, for thumbnails and deleted files."""

_HEAD = 64
"""Bytes by which the format of a picture is known."""

HIDDEN = "hidden"
SYSTEM = "system"
EXCLUDED = "excluded"
OTHER = "other"
_FOLDERS = {
    HIDDEN: "hidden folders",
    SYSTEM: "folders of the system, such as @eaDir or $RECYCLE.BIN",
    EXCLUDED: "excluded folders",
}
_FILES = {
    HIDDEN: "hidden files",
    EXCLUDED: "excluded files",
    OTHER: "files without the suffix of a picture",
}
"""Why folders and files are passed over, in the words of the notes."""


def list_images(
    folder: Path, options: SourceOptions | None = None, reading: Reading | None = None
) -> Iterator[Path]:
    """Yield the pictures below `folder`, always in the same order.

    The files of a folder come before its subfolders, both sorted by name. Pictures are known by
    their suffix or, with `all_files`, by their first bytes. Left out, and counted in the notes, are
    hidden files and folders, folders of the system, and what `exclude` says. Links to folders are
    not followed, which excludes loops. A folder below that cannot be read is noted, and the others
    are read. Raises `InputError` if `folder` itself does not exist or cannot be read,
    `StoppedError`.
    """
    for root, names in _pictures(folder, options, reading):
        for name in names:
            yield Path(root, name)


def _pictures(
    folder: Path, options: SourceOptions | None, reading: Reading | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that has pictures with their names; see `list_images`."""
    options, reading = options or SourceOptions(), reading or Reading()
    notes = reading.notes
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    is_excluded = _excluder(options.exclude)

    def on_error(error: OSError) -> None:
        if error.filename == str(folder):
            raise InputError(f"cannot read the folder {folder}: {error.strerror}.") from error
        notes.unreadable.append(f"{error.filename}: {error.strerror}")

    for root, folders, files in os.walk(folder, onerror=on_error):
        if reading.stopped():
            raise StoppedError(f"Stopped while reading {folder}.")
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else f"{below}/"
        kept = []
        for name in sorted(folders):
            reason = _reason_of_folder(name) or (
                EXCLUDED if is_excluded(f"{prefix}{name}/") else ""
            )
            if reason:
                notes.passed_over[_FOLDERS[reason]] += 1
            else:
                kept.append(name)
        folders[:] = kept
        pictures = []
        for name in sorted(files):
            reason = _reason_of_file(name, root, options)
            if not reason and is_excluded(prefix + name):
                reason = EXCLUDED
            if reason:
                notes.passed_over[_FILES[reason]] += 1
                if reason == OTHER:
                    notes.note_suffix(name)
            else:
                pictures.append(name)
        if pictures:
            yield root, pictures


def read_folder(folder: Path, options: SourceOptions, reading: Reading) -> Iterator[ImageRef]:
    """Yield references to the pictures of a folder.

    Raises what `list_images` does, and `InputError` for a folder without pictures, unless it may be
    empty.
    """
    empty = not reading.may_be_empty
    for root, names in _pictures(folder, options, reading):
        empty = False
        # Paths are made once for each folder: for each picture, that took a tenth of a millisecond.
        shown, absolute = _start_of_names(Path(root)), _start_of_names(Path(os.path.abspath(root)))
        for name in names:
            url = _stored(absolute + name)
            yield ImageRef(id=url, url=url, location=shown + name)
    if empty:
        raise InputError(
            f"no images in the folder {folder}. Looked for files ending in .jpg, .png, .webp and "
            "the like, in subfolders too."
        )


def url_of_file(path: Path) -> str:
    """Return the path, or a `file:` URL if the path is not valid text and could not be stored."""
    return _stored(str(path))


def _stored(path: str) -> str:
    """As `url_of_file`, of the text of a path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).as_uri()
    return path


def _start_of_names(folder: Path) -> str:
    """Return what stands before the names of files in `folder`: nothing for `.`."""
    return str(folder / "-").removesuffix("-")


def is_picture(path: str | Path) -> bool:
    """Tell whether a file begins as a picture does, whatever its name."""
    try:
        # A pipe would wait for its writer.
        number = os.open(path, os.O_RDONLY | system.PLAIN)
    except OSError:
        return False
    try:
        head = os.read(number, _HEAD)
    except OSError:
        return False
    finally:
        os.close(number)
    return has_signature(head)


def has_signature(head: bytes) -> bool:
    """Tell whether bytes begin a picture, in one of the usual formats."""
    return head.startswith(_SIGNATURES) or (
        (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"avi"))
        or (head[:1] == b"P" and re.match(rb"P[1-6]\s", head) is not None)
        or (head[:4] == b"\0\0\1\0" and 0 < int.from_bytes(head[4:6], "little") < 256)
    )


_SIGNATURES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  ",
    b"\0\0\0\x0cJXL ",
    b"\xff\x0a",
)


def _reason_of_folder(name: str) -> str:
    if _JUNK_FOLDERS.fullmatch(name) or name.startswith(".Trash"):
        return SYSTEM
    return HIDDEN if name.startswith(".") else ""


def _reason_of_file(name: str, root: str, options: SourceOptions) -> str:
    """Return why a file is passed over; empty if it is a picture."""
    if name.startswith("."):
        return HIDDEN
    suffix = os.path.splitext(name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return ""
    if name.casefold() in ("thumbs.db", "ehthumbs.db", "desktop.ini"):
        return HIDDEN
    if options.all_files and is_picture(os.path.join(root, name)):
        return ""
    return OTHER


def _excluder(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return what tells whether a path below the folder is excluded; folders end with /."""
    if not patterns:
        return lambda path: False
    from pathspec import GitIgnoreSpec

    spec: GitIgnoreSpec = GitIgnoreSpec.from_lines(patterns)
    return spec.match_file
