"""Rows as a table for a terminal, and a small matrix of scores.

The table is streamed: the first rows and the width of the terminal determine the widths of the
columns. Long cells lose their middle, because the beginning of a URL names the host and its end
the image. Columns that do not fit are left out from the right, and named below the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from vecsim.render.columns import Column, Row, as_text
from vecsim.render.destination import TextOutput
from vecsim.render.terminal import clean_cell

if TYPE_CHECKING:
    from vecsim.records import Float64

_SAMPLE = 100  # rows that determine the widths; none is printed before
_GAP = "  "
_READABLE = 20  # a column is shown only if the ones before keep this width, in cells
_NARROWEST = 4
_WIDEST = 100
_ALWAYS = 5  # the first columns are never left out: ids, URLs, score
_SAME = "= id"  # stands for a URL that equals the id before it


class TableWriter:
    """A table; text is aligned to the left and numbers to the right."""

    def __init__(
        self, stream: BinaryIO, columns: Sequence[Column], width: int | None = None
    ) -> None:
        import shutil  # here, because --help imports this module too

        self._text = TextOutput(stream)
        self._columns = [Column(clean_cell(each.name), each.kind) for each in columns]
        self._width = width or shutil.get_terminal_size().columns
        self._pending: list[list[str]] = []
        self._widths: list[int] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Print rows; the first ones are held back until the widths are known."""
        for row in rows:
            cells = self._cells(row)
            if self._widths:
                self._print(cells)
                continue
            self._pending.append(cells)
            if len(self._pending) == _SAMPLE:
                self._begin()

    def close(self) -> None:
        """Print the rows that are held back, and the names of columns that did not fit."""
        if not self._widths:
            self._begin()
        hidden = [column.name for column in self._columns[len(self._widths) :]]
        if hidden:
            note = f"Columns that do not fit (the format csv has them): {', '.join(hidden)}"
            self._text.write(f"\n{note}\n")

    def _cells(self, row: Row) -> list[str]:
        cells: list[str] = []
        for value, column in zip(row, self._columns, strict=True):
            text = clean_cell(as_text(value, column.kind))
            if column.name.endswith("_url") and cells and cells[-1] == text:
                text = _SAME
            cells.append(text)
        return cells

    def _begin(self) -> None:
        natural = [
            min(_WIDEST, max(cell_width(text) for text in (column.name, *cells)))
            for column, *cells in zip(self._columns, *self._pending, strict=True)
        ]
        fixed = [column.kind != "text" for column in self._columns]
        self._widths = column_widths(natural, fixed, self._width)
        self._print([column.name for column in self._columns])
        self._text.write(_GAP.join("─" * width for width in self._widths) + "\n")
        for cells in self._pending:
            self._print(cells)
        self._pending = []

    def _print(self, cells: Sequence[str]) -> None:
        shown = []
        for text, width, column in zip(cells, self._widths, self._columns, strict=False):
            cut = shorten(text, width)
            padding = " " * (width - cell_width(cut))
            shown.append(cut + padding if column.kind == "text" else padding + cut)
        self._text.write(_GAP.join(shown).rstrip() + "\n")


def column_widths(natural: Sequence[int], fixed: Sequence[bool], available: int) -> list[int]:
    """Return the widths of as many columns as fit into `available` cells.

    The widest are shortened first, fixed ones never.
    """
    readable = [
        width if keep else min(width, _READABLE) for width, keep in zip(natural, fixed, strict=True)
    ]
    shown = len(natural)
    while shown > _ALWAYS and _total(readable[:shown]) > available:
        shown -= 1
    widths = list(natural[:shown])
    while _total(widths) > available:
        flexible = [number for number in range(shown) if not fixed[number]]
        widest = max(flexible, key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break  # lines are then longer than the terminal
        widths[widest] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def cell_width(text: str) -> int:
    """Return how many cells of a terminal `text` takes; many East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def shorten(text: str, width: int) -> str:
    """Shorten `text` to `width` cells: first remove `https://`, then the middle."""
    if cell_width(text) <= width:
        return text
    text = re.sub("^https?://", "", text)
    if cell_width(text) <= width:
        return text
    tail = (width - 1) * 3 // 5
    return f"{_take(text, width - 1 - tail)}…{_take(text[::-1], tail)[::-1]}"


def _take(text: str, width: int) -> str:
    """Return the longest beginning of `text` that is at most `width` cells wide."""
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
    """Return `scores`, shape (queries, references), as lines with the ids as row and column heads.

    Scores of at least `threshold` are marked with a star.
    """
    head = [shorten(clean_cell(text), _ID_WIDTH) for text in reference_ids]
    side = [shorten(clean_cell(text), _ID_WIDTH) for text in query_ids]
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
