"""Everything that is written to a terminal passes here, where control characters are replaced.

Ids, URLs, columns, names of models and messages of servers are untrusted text. Sent to a
terminal unchanged, they could clear it, rename its window, overwrite or reverse its text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line feed; ESC begins sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # order of writing
    "\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # unseen
    "\ud800-\udfff"  # half characters, which no terminal can show
    "]"
)
"""Characters that a terminal does not show but obeys. Joiners (200C, 200D) and the soft hyphen
stay: words and emoji need them."""

_SPACES = re.compile(r"[\t\n\r]")


def clean_text(text: str) -> str:
    r"""Return `text` with escapes (`\x1b`, `\u202e`) in place of characters that terminals obey."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escape, text)


def clean_cell(text: str) -> str:
    """Return `text` for one cell of a table: on one line, each unsafe character as one dot."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("·", _SPACES.sub(" ", text))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "backslashreplace").decode("ascii")


class CleanTerminal:
    """A text stream on a terminal, to which text is written as `clean_text` makes it.

    It has no binary buffer, so nothing else can be written. `terminal`: the stream below.
    """

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal

    def write(self, text: str) -> int:
        """Write `text`; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.terminal.write(clean_text(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach", "reconfigure"):
            raise AttributeError(name)
        return getattr(self.terminal, name)


def terminal_below(stream: TextIO) -> TextIO:
    """Return the terminal itself, for output that moves its cursor: the line of progress."""
    return stream.terminal if isinstance(stream, CleanTerminal) else stream


@contextmanager
def clean_terminals() -> Iterator[None]:
    """Clean what the block writes to standard output and error, where these are terminals."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(cleaned, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def cleaned(stream: TextIO) -> TextIO:
    """Return `stream`, or what cleans the text that is written to it if it is a terminal."""
    # A process without standard output has None there.
    if stream is None or isinstance(stream, CleanTerminal) or not stream.isatty():
        return stream
    return cast(TextIO, CleanTerminal(stream))


def counted(count: int, what: str) -> str:
    """Return a count with its noun: 1 image, 2,000 images."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
