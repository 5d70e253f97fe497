r"""From the bytes of a list to its lines of text: encoding, line ends, and files of other formats.

Lines keep their ends, and only \n, \r and \r\n end one, as the csv module expects. The first bytes
are examined before anything is parsed, so that a workbook given by mistake is named in the error.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint
from vecsim.sources.reading import Reading
from vecsim.sources.streams import HEAD_BYTES, ByteStream, open_stream

MAX_LINE = 1 << 24
"""Characters; a longer line is not read."""

_LINE_END = re.compile(r"[\r\n]")
_LONGEST_LINE = 16 * MAX_LINE
"""Characters; a longer "line" is a file without line ends."""

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECODED_MARK = "\ufeff"

_SAVE_AS_CSV = "Save the sheet as CSV and give that."
_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", _SAVE_AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", _SAVE_AS_CSV),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV and give that."),
    (b"%PDF-", "a PDF document", "Give a CSV, JSON lines, or a folder of images."),
)
"""How files of other formats begin, their name, and what to do."""

_WEB_PAGE_STARTS = (b"<!doctype html", b"<html")

_WESTERN = re.compile(
    rb"(?<![\x80-\xff])[\x80\x82-\x85\x91-\x97\x99\xa0-\xb4\xb7-\xbb\xbf-\xd6\xd8-\xf6\xf8-\xfe]{1,3}"
    rb"(?![\x80-\xff])"
)
"""Letters and signs of Western European languages in cp1252, as they occur in words: few at a time.
Cyrillic, Greek or Chinese in their own encodings are longer runs of such bytes."""


@dataclass(frozen=True, slots=True)
class ListText:
    """An open list: `label` names it in messages, `folder` is where relative paths begin.

    `head` is the beginning of the text, complete lines where it has any, for detecting its format;
    `is_whole`: it is the whole text. `lines` or `parts`, the text in pieces of any length, is read,
    not both. `flaws`: what is wrong with lines that were read, by their number; their text is not
    that of the file. `is_marked`: it begins with a byte order mark, as files for spreadsheets do.
    """

    label: str
    folder: Path
    head: str
    is_whole: bool
    lines: Iterator[str]
    parts: Iterator[str]
    reading: Reading
    flaws: dict[int, str] = field(default_factory=dict)
    is_marked: bool = False

    def location(self, line: int) -> str:
        """Name the place of `line`, a physical line counted from 1: "shop.csv line 7"."""
        return f"{self.label} line {line}"


@contextmanager
def open_list(
    source: str, encoding: str | None = None, reading: Reading | None = None
) -> Iterator[ListText]:
    """Open the file `source`, or standard input for `-`, as lines of text.

    Raises `InputError` if it cannot be read, is empty, or is not text, and `UsageError` for an
    unknown `encoding`; while it is read, `StoppedError`.
    """
    reading = reading or Reading()
    with open_stream(source, reading.standard_input, reading.stopped) as stream:
        yield text_of(stream, folder_of(source), encoding, reading)


def folder_of(source: str) -> Path:
    """Return the folder at which relative paths of a list begin.

    A pipe such as /dev/fd/63, made by the shell, has no folder of its own.
    """
    path = Path(source)
    return path.parent.resolve() if source != "-" and path.is_file() else Path.cwd()


def text_of(stream: ByteStream, folder: Path, encoding: str | None, reading: Reading) -> ListText:
    """Return the text of `stream`; raises what `open_list` does."""
    label, head = stream.label, stream.head
    codec = _detect_encoding(head, encoding)
    _refuse_other_formats(label, head, may_hold_nul=codec.startswith(("utf-16", "utf-32")))
    text = codecs.getincrementaldecoder(codec)("replace").decode(head)
    is_marked = text.startswith(_DECODED_MARK) or codec == "utf-16" or codec == "utf-32"
    text = text.removeprefix(_DECODED_MARK)
    is_whole = len(head) < HEAD_BYTES
    if is_whole:
        if not text.strip():
            raise InputError(
                f"{label} is empty. A list of images has at least a header line, such as: id,url"
            )
    elif "\n" in text:
        text = text[: text.rindex("\n") + 1]
    elif "\r" in text:
        text = text[: text.rindex("\r") + 1]
    parts = _decoded(stream, codec)
    read = _Lines(label, parts, codec, reading)
    lines = read.read(guess=encoding is None)
    flaws = read.flaws
    return ListText(label, folder, text, is_whole, lines, parts, reading, flaws, is_marked)


def _decoded(stream: ByteStream, codec: str) -> Iterator[str]:
    """Yield the text of a stream in pieces, as they arrive.

    Bytes that are no UTF-8 become surrogates, so that the lines around them can be read. Raises
    `InputError` for bytes that another codec cannot decode.
    """
    errors = "surrogateescape" if codec == "utf-8" else "strict"
    decoder = codecs.getincrementaldecoder(codec)(errors)
    is_first, data = True, b"-"
    while data:
        data = stream.read1()
        try:
            part = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            shown = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.end][:4])
            offset = stream.count - len(error.object) + error.start
            raise InputError(
                f"{stream.label} is not {codec}: byte {offset:,} is {shown} (hex). Text files from "
                f"Windows are often in cp1252.",
                hint=Hint(Action.NAME_ENCODING, encoding="cp1252"),
            ) from error
        if is_first and part:
            part, is_first = part.removeprefix(_DECODED_MARK), False
        if part:
            yield part


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


class _Lines:
    """Reads the lines of a list, and notes their flaws."""

    def __init__(self, label: str, parts: Iterator[str], codec: str, reading: Reading) -> None:
        self._label = label
        self._parts = parts
        self._codec = codec
        self._notes = reading.notes
        self._is_remarked = False
        self.flaws: dict[int, str] = {}

    def read(self, *, guess: bool) -> Iterator[str]:
        """Yield the lines. `guess`: a line that is not UTF-8 may be in cp1252.

        Raises `InputError` for what cannot be text with lines.
        """
        number = 0
        for lines in self._batches():
            text = "".join(lines)
            if (text.isascii() or not _has_surrogates(text)) and "\0" not in text:
                yield from lines
                number += len(lines)
                continue
            for line in lines:
                number += 1
                yield self._checked(number, line, guess)

    def _batches(self) -> Iterator[list[str]]:
        """Yield lines with their ends, as many at a time as there are in one piece of the text."""
        rest, count = "", 0
        for part in self._parts:
            # Behind a carriage return, the rest of the line end may follow.
            lines = list(io.StringIO(rest + part, newline=""))
            rest = lines.pop() if lines and not lines[-1].endswith("\n") else ""
            if len(rest) > MAX_LINE:
                rest = self._shortened(count + len(lines) + 1, rest)
            count += len(lines)
            if lines:
                yield lines
        if rest:
            yield list(io.StringIO(rest, newline=""))

    def _checked(self, number: int, line: str, guess: bool) -> str:
        """Return a line without what cannot be text; notes its flaws."""
        if _has_surrogates(line):
            line = self._redecoded(number, line, guess)
        if "\0" in line:
            self.flaws[number] = "a NUL byte, as damaged files have it"
            line = line.replace("\0", "")
        return line

    def _redecoded(self, number: int, line: str, guess: bool) -> str:
        """Return a line that is not UTF-8 as cp1252, if it looks like that."""
        raw = line.encode("utf-8", "surrogateescape")
        if guess and not _WESTERN.sub(b"", raw).strip(bytes(range(128))):
            if not self._is_remarked:
                self._is_remarked = True
                self._notes.remark(
                    f"{self._label} is not all UTF-8: read as cp1252 where it is not, first in "
                    f"line {number:,}."
                )
            return raw.decode("cp1252", "replace")
        wrong = next(letter for letter in line if "\udc80" <= letter <= "\udcff")
        self.flaws[number] = f"bytes that are not {self._codec} ({ord(wrong) - 0xDC00:02x}, hex)"
        return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _shortened(self, number: int, line: str) -> str:
        """Read to the end of a line that is too long; return its beginning, and what follows."""
        length = len(line)
        while number > 1 and length < _LONGEST_LINE and (part := next(self._parts, "")):
            end = _LINE_END.search(part)
            length += end.start() if end else len(part)
            if end:
                self.flaws[number] = f"a line of more than {MAX_LINE:,} characters"
                return line[:200].replace('"', " ") + part[end.start() :]
        raise InputError(
            f"{self._label} line {number} is longer than {MAX_LINE:,} characters: this "
            "is not a list with one image a line."
        )


def _has_surrogates(line: str) -> bool:
    """Tell whether a line holds bytes that are not UTF-8."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return True
    return False
