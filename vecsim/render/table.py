"""Rows as a table for people, streamed: widths are settled by the first rows and the terminal.

Long cells lose their middle, because the beginning of a URL says whose it is and its end says what
it is. Columns that do not fit are left out from the right, and named below the table.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vecsim.render.columns import Column, Row, as_text
from vecsim.render.destination import TextOutput

if TYPE_CHECKING:
    from vecsim.records import Float64

_SAMPLE = 100  # rows looked at before the first is printed
_GAP = "  "
_READABLE = 20  # cells that a column should keep before a further one is shown
_NARROWEST = 4
_WIDEST = 100
_ALWAYS = 5  # columns that are never left out: ids, URLs, score
_SAME = "= id"  # a URL that is its own id, as with a folder, need not be read twice

# A cell must not break the line, nor speak to the terminal.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029), "·")
_CONTROLS |= dict.fromkeys(map(ord, "\t\n\r"), " ")


class TableSink:
    """A table of text columns to the left and numbers to the right."""

    def __init__(
        self, stream: TextOutput, columns: Sequence[Column], width: int | None = None
    ) -> None:
        self._stream = stream
        self._columns = list(columns)
        self._room = width or shutil.get_terminal_size().columns
        self._waiting: list[list[str]] = []
        self._widths: list[int] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Print some rows, or keep them while the widths are open."""
        for row in rows:
            cells = self._cells(row)
            if self._widths:
                self._print(cells)
                continue
            self._waiting.append(cells)
            if len(self._waiting) == _SAMPLE:
                self._begin()

    def close(self) -> None:
        """Print what is still kept, and what could not be shown."""
        if not self._widths:
            self._begin()
        hidden = [column.name for column in self._columns[len(self._widths) :]]
        if hidden:
            note = f"Not shown for want of room (--format csv has them): {', '.join(hidden)}"
            self._stream.write(f"\n{note}\n")

    def _cells(self, row: Row) -> list[str]:
        cells: list[str] = []
        for value, column in zip(row, self._columns, strict=True):
            text = as_text(value, column.kind).translate(_CONTROLS)
            if column.name.endswith("_url") and cells and cells[-1] == text:
                text = _SAME
            cells.append(text)
        return cells

    def _begin(self) -> None:
        natural = [
            min(_WIDEST, max(cell_width(text) for text in (column.name, *cells)))
            for column, *cells in zip(self._columns, *self._waiting, strict=True)
        ]
        fixed = [column.kind != "text" for column in self._columns]
        self._widths = fit(natural, fixed, self._room)
        self._print([column.name for column in self._columns])
        self._stream.write(_GAP.join("─" * width for width in self._widths) + "\n")
        for cells in self._waiting:
            self._print(cells)
        self._waiting = []

    def _print(self, cells: Sequence[str]) -> None:
        shown = []
        for text, width, column in zip(cells, self._widths, self._columns, strict=False):
            cut = shorten(text, width)
            padding = " " * (width - cell_width(cut))
            shown.append(cut + padding if column.kind == "text" else padding + cut)
        self._stream.write(_GAP.join(shown).rstrip() + "\n")


def fit(natural: Sequence[int], fixed: Sequence[bool], room: int) -> list[int]:
    """Widths for as many columns as have room; the widest are cut first, fixed ones never."""
    readable = [
        width if keep else min(width, _READABLE) for width, keep in zip(natural, fixed, strict=True)
    ]
    shown = len(natural)
    while shown > _ALWAYS and _total(readable[:shown]) > room:
        shown -= 1
    widths = list(natural[:shown])
    while _total(widths) > room:
        loose = [number for number in range(shown) if not fixed[number]]
        widest = max(loose, key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break  # a line too long is still better than nothing to read
        widths[widest] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def cell_width(text: str) -> int:
    """How many cells of a terminal `text` takes; many East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def shorten(text: str, width: int) -> str:
    """Make `text` at most `width` cells wide: without its `https://`, then without its middle."""
    if cell_width(text) <= width:
        return text
    text = re.sub("^https?://", "", text)
    if cell_width(text) <= width:
        return text
    tail = (width - 1) * 3 // 5
    return f"{_take(text, width - 1 - tail)}…{_take(text[::-1], tail)[::-1]}"


def _take(text: str, width: int) -> str:
    """The longest beginning of `text` that is at most `width` cells wide."""
    taken = text[:width]
    while cell_width(taken) > width:
        taken = taken[:-1]
    return taken


_ID_WIDTH = 20


def format_matrix(
    query_ids: Sequence[str],
    reference_ids: Sequence[str],
    scores: Float64,
    *,
    threshold: float | None = None,
) -> str:
    """Lay out `scores`, shape (queries, references), with the ids beside and above.

    With a `threshold` the scores that reach it are marked with a star.
    """
    head = [shorten(text, _ID_WIDTH) for text in reference_ids]
    side = [shorten(text, _ID_WIDTH) for text in query_ids]
    margin = max(map(cell_width, side), default=0)
    lines = ["".join([" " * margin, *(f"  {_right(text, 9)}" for text in head)])]
    for text, row in zip(side, scores.tolist(), strict=True):
        cells = [
            f"  {_right(f'{score + 0.0:.6f}', max(8, cell_width(title) - 1))}"
            + ("*" if threshold is not None and score >= threshold else " ")
            for score, title in zip(row, head, strict=True)
        ]
        lines.append((_right(text, margin) + "".join(cells)).rstrip())
    return "\n".join(lines)


def _right(text: str, width: int) -> str:
    return " " * (width - cell_width(text)) + text
