r"""From the bytes of a list to its lines of text, whatever the encoding.

Lines keep their ends, and only \n, \r and \r\n end one, as the csv module expects it. The first
bytes are looked at before anything is parsed, so that a picture or a workbook given by mistake is
called by its name.
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
from vecsim.sources.binary import refuse_binary

HEAD_BYTES = 1 << 16
MAX_LINE = 1 << 24  # characters; a longer "line" is a file without line ends

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK = "\ufeff"  # a byte order mark once it is decoded
_LINE_END = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Text:
    """An opened list: `label` names it in messages, `folder` is where relative paths begin.

    `head` is the beginning of the text, complete lines where it has any, for sniffing.
    """

    label: str
    folder: Path
    head: str
    lines: Iterator[str]

    def at(self, line: int) -> str:
        """The place `line` (a physical line, counted from 1) as a person would say it."""
        return f"{self.label} line {line}"


@contextmanager
def open_text(source: str, encoding: str | None, stdin: BinaryIO | None) -> Iterator[Text]:
    """Open the file `source`, or standard input for `-`, as lines of text."""
    if source == "-":
        yield _text("standard input", Path.cwd(), stdin or sys.stdin.buffer, encoding)
        return
    path = Path(source)
    try:
        opened = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}.") from error
    # A pipe such as /dev/fd/63, made by the shell, has no folder of its own.
    folder = path.parent.resolve() if path.is_file() else Path.cwd()
    with opened:
        yield _text(source, folder, opened, encoding)


def _text(label: str, folder: Path, binary: BinaryIO, encoding: str | None) -> Text:
    head = _read_head(binary)
    codec = _codec(head, encoding)
    refuse_binary(label, head, wide=codec.startswith(("utf-16", "utf-32")))
    counted = _Counted(head, binary)
    wrapper = io.TextIOWrapper(cast(BinaryIO, counted), encoding=codec, errors="strict", newline="")
    text = codecs.getincrementaldecoder(codec)("replace").decode(head).removeprefix(_MARK)
    if len(head) < HEAD_BYTES:
        if not text.strip():
            raise InputError(
                f"{label} is empty. A list of images has at least a header line, such as: id,url"
            )
    elif "\n" in text:
        text = text[: text.rindex("\n") + 1]
    return Text(label, folder, text, _lines(label, wrapper, counted, codec))


def _read_head(binary: BinaryIO) -> bytes:
    """Read the first bytes, the same ones however a pipe delivers them."""
    parts = []
    missing = HEAD_BYTES
    while missing > 0 and (part := binary.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _codec(head: bytes, encoding: str | None) -> str:
    """Name the codec: a byte order mark is believed first, then the option, then UTF-8."""
    for mark, marked in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return marked
    if encoding is None:
        return "utf-8"
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # some codecs are not for text
    except (LookupError, TypeError) as error:
        raise UsageError(
            f"unknown encoding {encoding!r}. Common ones: utf-8, cp1252, latin-1, utf-16, gb18030."
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def _lines(
    label: str, wrapper: io.TextIOWrapper[BinaryIO], counted: _Counted, codec: str
) -> Iterator[str]:
    number = 0
    try:
        while line := wrapper.readline(MAX_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(_MARK)
            if "\0" in line:
                raise InputError(
                    f"{label} line {number} holds a NUL byte: the file is damaged, or it is not "
                    "UTF-8. If it is UTF-16, say --encoding utf-16-le; else write it anew."
                )
            if len(line) == MAX_LINE and line[-1] not in "\r\n":
                raise InputError(
                    f"{label} line {number} is longer than {MAX_LINE:,} characters: this is no "
                    "list with one image a line."
                )
            yield line
    except UnicodeDecodeError as error:
        # All lines before the undecodable piece have been handed out, so its line is known.
        before = error.object[: error.start].decode(codec, "replace")
        line_number = number + 1 + len(_LINE_END.findall(before))
        offset = counted.count - len(error.object) + error.start
        shown = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.end][:4])
        raise InputError(
            f"{label} line {line_number} is not {codec}: byte {offset:,} is {shown} (hex). "
            "Say how the file is encoded, for example --encoding cp1252 for one from Windows."
        ) from error


class _Counted(io.BufferedIOBase):
    """A binary stream that is read on from its head and knows how far it has come.

    Closing it leaves `rest` open: that belongs to somebody else.
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
