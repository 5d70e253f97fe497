"""Cells of lists: whether one names a picture, obvious repairs, several pictures in one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from vecsim import paths
from vecsim.source_notes import SourceNotes

_IMAGE_NAMES = (
    "apng avif bmp dib gif heic heics heif hif ico j2k jfif jp2 jpe jpeg jpg jpx jxl pbm pgm png "
    "pnm ppm tif tiff webp"
)
IMAGE_SUFFIXES = frozenset(f".{name}" for name in _IMAGE_NAMES.split())
"""Suffixes of picture files: all that is decoded, and more (HEIC, JPEG 2000, JPEG XL), because a
failure with its reason is better than a picture that is silently missing."""

_SUFFIX = rf"\.(?:{'|'.join(_IMAGE_NAMES.split())})"
_IMAGE_AT_END = re.compile(rf"{_SUFFIX}\Z", re.IGNORECASE)
_IMAGE_IN_URL = re.compile(rf"[/=]?[^/?#]*{_SUFFIX}(?=[?#&/:@!]|\Z)", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:|data:", re.IGNORECASE)
_WEB = ("http://", "https://")
_INNER_URL = re.compile(r"https?://[^\s\"'<>|\[\]{}]+", re.IGNORECASE)
_ONE_ELEMENT = re.compile(r"<(?:a|img)\b[^<>]*>[^<>]*(?:</a>)?\Z", re.IGNORECASE)
"""Markup that is a link or a picture and nothing else, unlike a description with pictures in it."""
_BETWEEN_URLS = re.compile(r"\s*[|,;\s]\s*(?=https?://)", re.IGNORECASE)
_HOST = re.compile(r"(?:www\.)?(?:[\w-]+\.)+[A-Za-z]{2,}(?::\d+)?(?=/|\Z)|[\w.-]+:\d+(?=/)")
_USUAL_HOST = re.compile(
    r"[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|de|fr|uk|eu|io|it|es|nl|ch|at|pl|cn|jp|shop)/",
    re.IGNORECASE,
)
_NO_VALUE = frozenset(
    ("nan", "n/a", "#n/a", "na", "none", "null", "nil", "<na>", "-", "--", "undefined", "#ref!")
)
_ORDINARY_PATH = re.compile(
    rf"(?!www\.|//|~|{_USUAL_HOST.pattern})[^\\\[\]<>{{}}|;,\"'`=!:]+\Z", re.IGNORECASE
)
"""What is a path, and nothing to be repaired or split: the usual case, quickly."""

_LONGEST_PATH = 1_000

SEVERAL = "the cell holds {} addresses, not one"


class Likeness(IntEnum):
    """How much a cell looks like the address of a picture."""

    NOTHING = 0  # a title, a price, a date
    PATH = 1  # a path that ends as pictures do, or is absolute, where there is no such file
    ADDRESS = 2  # a URL
    PICTURE = 3  # a URL that names a picture file, or a file that is there


def is_absent(cell: str) -> bool:
    """Tell whether a cell says that there is no value: it is empty, or `nan`, `N/A`, `null`, …"""
    cell = cell.strip()
    return not cell or (len(cell) < 12 and cell.casefold() in _NO_VALUE)


def ends_as_picture(address: str) -> bool:
    """Tell whether an address, without its query, ends with the suffix of a picture file."""
    return _IMAGE_AT_END.search(re.split("[?#]", address, maxsplit=1)[0]) is not None


def likeness(cell: str, folder: Path) -> Likeness:
    """Return how much `cell`, which is not absent, looks like the address of a picture.

    `folder`: where relative paths begin.
    """
    cell = cell.strip()
    if cell.lower().startswith(_WEB):
        if not any(map(str.isspace, cell)):
            return Likeness.PICTURE if _IMAGE_IN_URL.search(cell, 8) else Likeness.ADDRESS
        last = _BETWEEN_URLS.split(cell)[-1]
        known = _IMAGE_AT_END.search(last) or (last != cell and not re.search(r"\s", last))
        return Likeness.PICTURE if known else Likeness.NOTHING
    if cell[:5].lower() in ("file:", "data:"):
        return Likeness.PICTURE
    if _SCHEME.match(cell):
        return Likeness.ADDRESS
    if exists(cell, folder):
        return Likeness.PICTURE
    if cell.startswith("<") and not _ONE_ELEMENT.match(cell):
        return Likeness.NOTHING
    inner = _urls_inside(cell)
    if inner:
        return likeness(inner[0], folder)
    if _is_schemeless(cell):
        return Likeness.ADDRESS
    if _IMAGE_AT_END.search(cell) or (paths.is_of_windows(cell) and len(cell) < _LONGEST_PATH):
        return Likeness.PATH
    return Likeness.PATH if re.match(r"/[\w.~-]+/\S*\Z", cell) else Likeness.NOTHING


def exists(cell: str, folder: Path) -> bool:
    """Tell whether `cell` is the path of a file that is there."""
    if not cell or len(cell) > _LONGEST_PATH or "\n" in cell or "\0" in cell:
        return False
    try:
        return os.path.isfile(os.path.join(folder, cell))
    except ValueError:
        return False


def resolve(cell: str, folder: Path) -> str:
    """Make a path absolute, relative to `folder`; leave a URL (of any scheme) as it is."""
    cell = cell.strip()
    if not cell or _SCHEME.match(cell) or paths.is_of_windows(cell):
        return cell
    return paths.resolve(cell, folder)


def plain_address(cell: str, folder: str) -> str:
    """Return the address in a stripped cell that is nothing but one; else an empty string.

    This is the usual case, quickly: an http(s) URL, or a path without signs of anything else.
    `folder`: where relative paths begin, with a / at its end.
    """
    if cell.startswith(_WEB):
        return cell if cell.find("://", 8) < 0 else ""
    if _ORDINARY_PATH.match(cell) and not is_absent(cell):
        if paths.WINDOWS or cell[0] == "/":
            return paths.resolve(cell, folder)
        return os.path.normpath(folder + cell)
    return ""


def prefix_of(folder: Path) -> str:
    """Return what is put before a relative path: the folder with a / at its end."""
    return os.path.join(folder, "")


class CellReader:
    """Reads cells of one list: their addresses, with obvious repairs.

    `notes` counts the repairs.
    """

    def __init__(self, folder: Path, notes: SourceNotes, *, split: bool) -> None:
        """`folder`: where relative paths begin. `split`: take each address of a cell of several."""
        self._folder = folder
        self._prefix = prefix_of(folder)
        self._notes = notes
        self._split = split

    def addresses(self, cell: str) -> list[str]:
        """Return the addresses in `cell`, none if it is absent.

        Raises `CellError` if it holds several, unless they are split.
        """
        cell = cell.strip()
        if plain := plain_address(cell, self._prefix):
            return [plain]
        if is_absent(cell) and not exists(cell, self._folder):
            return []
        parts = self._parts(cell)
        if len(parts) > 1 and not self._split:
            self._notes.several += 1
            raise CellError(SEVERAL.format(len(parts)))
        return [resolve(self._repaired(part), self._folder) for part in parts]

    def _parts(self, cell: str) -> list[str]:
        """Return the addresses of a cell that is a list, several URLs, or markup around one."""
        if exists(cell, self._folder):
            return [cell]
        if cell.lower().startswith(_WEB):
            parts = [part for part in _BETWEEN_URLS.split(cell) if part]
            # A comma or semicolon before a URL may belong to the URL that contains it.
            if self._split or re.search(r"[|\s]", cell):
                return parts
            return parts if all(map(_IMAGE_IN_URL.search, parts)) else [cell]
        listed = _json_list(cell)
        if listed is not None:
            if len(listed) == 1:
                self._repaired_by("list of one address taken as that address")
            return listed or [cell]
        parts = [part for part in re.split(r"\s*[|;,]\s*", cell) if part]
        if self._split and parts and all(likeness(part, self._folder) for part in parts):
            return parts
        inner = _urls_inside(cell)
        if len(inner) == 1:
            self._repaired_by("address taken out of the text around it")
        return inner or [cell]

    def _repaired(self, cell: str) -> str:
        if _SCHEME.match(cell) or exists(cell, self._folder):
            return cell
        if _is_schemeless(cell) and (cell.startswith("//") or cell[:4].lower() == "www."):
            self._repaired_by("https: put before an address without it")
            return "https:" + cell if cell.startswith("//") else f"https://{cell}"
        if _is_schemeless(cell) or _USUAL_HOST.match(cell):
            raise CellError(f"{cell} has no https:// before it, and there is no such file")
        if cell.startswith("~/"):
            return os.path.expanduser(cell)
        if "\\" in cell and exists(cell.replace("\\", "/"), self._folder):
            self._repaired_by("\\ in a path read as /")
            return cell.replace("\\", "/")
        return cell

    def _repaired_by(self, what: str) -> None:
        self._notes.repaired[what] += 1


class CellError(Exception):
    """A cell from which no single address can be read; the text says why."""


def problem_of(address: str) -> str:
    """Return why `address`, of a cell, cannot be fetched, if its form shows that; else empty."""
    if paths.is_of_windows(address) and not paths.WINDOWS:
        return f"{address} is a path on a Windows computer"
    return ""


def _is_schemeless(cell: str) -> bool:
    """Tell whether a cell is an address such as //host/x, www.host.com/x or host:8080/x."""
    if re.search(r"\s", cell):
        return False
    if cell.startswith("//"):
        return _HOST.match(cell, 2) is not None
    host = _HOST.match(cell)
    return (
        host is not None
        and host.end() < len(cell)
        and (cell[:4].lower() == "www." or ":" in host[0])
    )


def _urls_inside(cell: str) -> list[str]:
    """Return the different URLs inside a text that is no URL itself: of markup, JSON, a formula."""
    if cell[:1] not in "<[{=!('\"`":
        return []
    return list(dict.fromkeys(url.rstrip(".,;)") for url in _INNER_URL.findall(cell)))


def _json_list(cell: str) -> list[str] | None:
    """Return the texts of a JSON list, also one with Python's quotes; None for anything else."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    for text in (cell, cell.replace("'", '"')):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        return list(_texts(found))
    return None


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield from (text for text in [found.strip()] if not is_absent(text))
    elif isinstance(found, list):
        for item in found[:1000]:
            if isinstance(item, dict):
                item = next((item[key] for key in ("url", "src", "href") if key in item), None)
            if isinstance(item, str):
                yield from _texts(item)
