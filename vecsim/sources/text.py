r"""From the bytes of a list to its lines of text: encoding, line ends, and files of other formats.

Lines keep their ends, and only \n, \r and \r\n end one, as the csv module expects. The first bytes
are examined before anything is parsed, so that an image or a workbook given by mistake is named in
the error.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint

HEAD_BYTES = 1 << 16
"""Bytes that are examined before parsing."""

MAX_LINE = 1 << 24
"""Characters; a longer "line" is a file without line ends."""

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECODED_MARK = "\ufeff"
_LINE_END = re.compile("\r\n|\r|\n")

_GIVE_FOLDER = "To index pictures, give their folder or a list of their paths."
_SAVE_AS_CSV = "Save the sheet as CSV and give that."
_SIGNATURES = (
    (b"\x89PNG\r\n", "a PNG image", _GIVE_FOLDER),
    (b"\xff\xd8\xff", "a JPEG image", _GIVE_FOLDER),
    (b"GIF8", "a GIF image", _GIVE_FOLDER),
    (b"RIFF", "a WebP image or another RIFF file", _GIVE_FOLDER),
    (b"II*\0", "a TIFF image", _GIVE_FOLDER),
    (b"MM\0*", "a TIFF image", _GIVE_FOLDER),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", _SAVE_AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _SAVE_AS_CSV),
    (b"PAR1", "a Parquet file", "Convert it to CSV and give that."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV and give that."),
    (b"%PDF-", "a PDF document", "Give a CSV, JSON lines, or a folder of images."),
)
"""How files of other formats begin, their name, and what to do."""

_COMPRESSED = (
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"\xfd7zXZ", "xz", "xzcat"),
)
"""How compressed files begin, the format, and the program that writes their content."""

_WEB_PAGE_STARTS = (b"<!doctype html", b"<html")


@dataclass(frozen=True, slots=True)
class ListText:
    """An open list: `label` names it in messages, `folder` is where relative paths begin.

    `head` is the beginning of the text, complete lines where it has any, for detecting its format.
    """

    label: str
    folder: Path
    head: str
    lines: Iterator[str]

    def location(self, line: int) -> str:
        """Name the place of `line`, a physical line counted from 1: "shop.csv line 7"."""
        return f"{self.label} line {line}"


@contextmanager
def open_list(source: str, encoding: str | None, stdin: BinaryIO | None) -> Iterator[ListText]:
    """Open the file `source`, or standard input for `-`, as lines of text.

    Raises `InputError` if it cannot be read, is empty, or is not text, and `UsageError` for an
    unknown `encoding`.
    """
    if source == "-":
        yield _list_text("standard input", Path.cwd(), stdin or sys.stdin.buffer, encoding)
        return
    path = Path(source)
    try:
        opened = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}.") from error
    # A pipe such as /dev/fd/63, made by the shell, has no folder of its own.
    folder = path.parent.resolve() if path.is_file() else Path.cwd()
    with opened:
        yield _list_text(source, folder, opened, encoding)


def _list_text(label: str, folder: Path, binary: BinaryIO, encoding: str | None) -> ListText:
    head = _read_head(binary)
    codec = _detect_encoding(head, encoding)
    _refuse_other_formats(label, head, may_hold_nul=codec.startswith(("utf-16", "utf-32")))
    stream = _CountingStream(head, binary)
    wrapper = io.TextIOWrapper(cast(BinaryIO, stream), encoding=codec, errors="strict", newline="")
    text = codecs.getincrementaldecoder(codec)("replace").decode(head)
    text = text.removeprefix(_DECODED_MARK)
    if len(head) < HEAD_BYTES:
        if not text.strip():
            raise InputError(
                f"{label} is empty. A list of images has at least a header line, such as: id,url"
            )
    elif "\n" in text:
        text = text[: text.rindex("\n") + 1]
    return ListText(label, folder, text, _lines(label, wrapper, stream, codec))


def _read_head(binary: BinaryIO) -> bytes:
    """Read the first `HEAD_BYTES` bytes, in as many reads as a pipe needs."""
    parts = []
    missing = HEAD_BYTES
    while missing > 0 and (part := binary.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _detect_encoding(head: bytes, encoding: str | None) -> str:
    """Return the codec: that of a byte order mark, else the given `encoding`, else UTF-8."""
    for mark, marked in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return marked
    if encoding is None:
        return "utf-8"
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # raises for codecs that are not for text
    except (LookupError, TypeError) as error:
        raise UsageError(
            f"unknown encoding {encoding!r}. Common ones: utf-8, cp1252, latin-1, utf-16, gb18030."
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def _refuse_other_formats(label: str, head: bytes, *, may_hold_nul: bool) -> None:
    """Raise `InputError` if `head` begins something other than a list in text.

    `may_hold_nul`: text in the chosen encoding contains NUL bytes.
    """
    for signature, name, advice in _SIGNATURES:
        if head.startswith(signature):
            raise InputError(f"{label} is {name}, not a list of images. {advice}")
    for signature, name, program in _COMPRESSED:
        if head.startswith(signature):
            raise InputError(
                f"{label} is compressed with {name}, not a list of images.",
                hint=Hint(Action.DECOMPRESS, program=program, file=label),
            )
    if head.lstrip()[:20].lower().startswith(_WEB_PAGE_STARTS):
        raise InputError(
            f"{label} is a web page, not a list of images: was the download an error page?"
        )
    if may_hold_nul or b"\0" not in head:
        return
    if head[1::2].count(0) > len(head) // 4 or head[::2].count(0) > len(head) // 4:
        encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        raise InputError(
            f"{label} looks like UTF-16.", hint=Hint(Action.NAME_ENCODING, encoding=encoding)
        )
    if _share_of_controls(head) > 0.05:
        raise InputError(
            f"{label} is a binary file. Give a CSV, JSON lines, or a folder of images."
        )


def _share_of_controls(head: bytes) -> float:
    """Return the share of bytes in `head` that are control characters which text does not use."""
    controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return controls / len(head)


def _lines(
    label: str, wrapper: io.TextIOWrapper[BinaryIO], stream: _CountingStream, codec: str
) -> Iterator[str]:
    number = 0
    try:
        while line := wrapper.readline(MAX_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(_DECODED_MARK)
            if "\0" in line:
                raise InputError(
                    f"{label} line {number} holds a NUL byte: the file is damaged, or it is "
                    "UTF-16.",
                    hint=Hint(Action.NAME_ENCODING, encoding="utf-16-le"),
                )
            if len(line) == MAX_LINE and line[-1] not in "\r\n":
                raise InputError(
                    f"{label} line {number} is longer than {MAX_LINE:,} characters: this is not "
                    "a list with one image a line."
                )
            yield line
    except UnicodeDecodeError as error:
        # All lines before the undecodable bytes have been yielded, so their line is known.
        before = error.object[: error.start].decode(codec, "replace")
        line_number = number + 1 + len(_LINE_END.findall(before))
        offset = stream.count - len(error.object) + error.start
        shown = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.end][:4])
        raise InputError(
            f"{label} line {line_number} is not {codec}: byte {offset:,} is {shown} (hex). "
            "Text files from Windows are often in cp1252.",
            hint=Hint(Action.NAME_ENCODING, encoding="cp1252"),
        ) from error


class _CountingStream(io.BufferedIOBase):
    """A binary stream that begins with bytes already read, and counts how many it has returned.

    Closing it leaves `rest` open, which belongs to the caller.
    """

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest
        self.count = 0

    def readable(self) -> bool:
        return True

    def read1(self, _size: int = -1, /) -> bytes:
        if self._head:
            data, self._head = self._head, b""
        else:
            data = self._rest.read(HEAD_BYTES)
        self.count += len(data)
        return data
