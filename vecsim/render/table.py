"""Rows as a table for a terminal, and a small matrix of scores.

The first rows and the width of the terminal determine the widths of the columns. Where rows are too
wide, what all names of a column begin with is written once above the table. Long cells lose their
middle, because the beginning of a URL names the host and its end the image. Columns that do not fit
are left out from the right, and named below the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from vecsim.render.columns import Column, Row, as_text
from vecsim.render.destination import TextOutput
from vecsim.render.terminal import clean_cell

if TYPE_CHECKING:
    from vecsim.records import Float64

MAX_SORTED = 10_000
"""Rows up to which a table is sorted; more are printed as they come."""

_SAMPLE = 100  # rows that determine the widths where nothing is sorted; none is printed before
_GAP = "  "
_READABLE = 20  # a column is shown only if the ones before keep this width, in cells
_NARROWEST = 4
_WIDEST = 100
_ALWAYS = 5  # the first columns are never left out: ids, URLs, score
_SAME = "= id"  # stands for a URL that equals the id before it
_NAMES = re.compile(r"(.*_)?(id|url)")  # columns whose cells may have a beginning in common


class TableWriter:
    """A table; text is aligned to the left and numbers to the right."""

    def __init__(
        self, stream: BinaryIO, columns: Sequence[Column], width: int | None = None
    ) -> None:
        import shutil  # here, because --help imports this module too

        self._text = TextOutput(stream)
        self._columns = [replace(each, name=clean_cell(each.name)) for each in columns]
        self._width = width or shutil.get_terminal_size().columns
        self._sorted_by = next((n for n, each in enumerate(columns) if each.sorts), None)
        self._pending: list[list[str]] = []
        self._widths: list[int] = []
        self._shown = list(range(len(columns)))
        self._repeated: set[int] = set()  # columns of URLs that are left out: they are the ids
        self._prefixes: dict[int, str] = {}

    def write(self, rows: Iterable[Row]) -> None:
        """Print rows; the first ones are held back until the widths are known."""
        held = _SAMPLE if self._sorted_by is None else MAX_SORTED
        for row in rows:
            cells = self._cells(row)
            if self._widths:
                self._print(cells)
                continue
            self._pending.append(cells)
            if len(self._pending) == held:
                if self._sorted_by is not None:
                    self._text.write(f"{held:,} rows or more, in the order found:\n")
                self._begin()

    def close(self) -> None:
        """Print the rows that are held back, and the names of columns that did not fit."""
        if not self._widths:
            if (position := self._sorted_by) is not None:
                self._pending.sort(key=lambda cells: -float(cells[position]))
            self._begin()
        shown = {*self._shown[: len(self._widths)], *self._repeated}
        hidden = [column.name for n, column in enumerate(self._columns) if n not in shown]
        if hidden:
            note = f"Columns that do not fit (the format csv has them): {', '.join(hidden)}"
            self._text.write(f"\n{note}\n")

    def _cells(self, row: Row) -> list[str]:
        cells: list[str] = []
        for position, (value, column) in enumerate(zip(row, self._columns, strict=True)):
            text = clean_cell(as_text(value, column.kind))
            if cells and cells[-1] == text and column.name.rpartition("_")[2] == "url":
                text = _SAME
            elif position in self._repeated:
                self._repeated.discard(position)  # it is named below the table after all
            cells.append(text)
        return cells

    def _begin(self) -> None:
        if _total(self._natural_widths()) > self._width:
            self._leave_out_what_repeats()
        natural = self._natural_widths()
        fixed = [self._columns[n].kind != "text" for n in self._shown]
        always = sum(n < _ALWAYS for n in self._shown)
        self._widths = column_widths(natural, fixed, self._width, always)
        for prefix in dict.fromkeys(self._prefixes.values()):
            names = [self._columns[n].name for n, each in self._prefixes.items() if each == prefix]
            self._text.write(f"{', '.join(names)} in {prefix}\n")
        self._print([column.name for column in self._columns])
        self._text.write(_GAP.join("─" * width for width in self._widths) + "\n")
        for cells in self._pending:
            self._print(cells)
        self._pending = []

    def _natural_widths(self) -> list[int]:
        """Return the widths that the columns which are shown need for the rows held back."""
        return [
            min(
                _WIDEST,
                max(
                    cell_width(self._columns[n].name),
                    *(cell_width(self._shortened(n, cells[n])) for cells in self._pending),
                    0,
                ),
            )
            for n in self._shown
        ]

    def _leave_out_what_repeats(self) -> None:
        """Find columns of URLs that are all the ids, and what all names of a column begin with."""
        for n, column in enumerate(self._columns):
            if not _NAMES.fullmatch(column.name) or column.kind != "text":
                continue
            cells = {cells[n] for cells in self._pending} - {""}
            if cells == {_SAME}:
                self._repeated.add(n)
            elif prefix := common_folder(cells - {_SAME}):
                self._prefixes[n] = prefix
        self._shown = [n for n in self._shown if n not in self._repeated]

    def _shortened(self, position: int, text: str) -> str:
        """Return a cell without what is written above the table."""
        prefix = self._prefixes.get(position)
        return text.removeprefix(prefix) if prefix is not None else text

    def _print(self, cells: Sequence[str]) -> None:
        shown = []
        for position, width in zip(self._shown, self._widths, strict=False):
            cut = shorten(self._shortened(position, cells[position]), width)
            padding = " " * (width - cell_width(cut))
            is_text = self._columns[position].kind == "text"
            shown.append(cut + padding if is_text else padding + cut)
        self._text.write(_GAP.join(shown).rstrip() + "\n")


def common_folder(names: Collection[str]) -> str:
    """Return what all paths or URLs begin with, to its last slash; empty if that is no folder."""
    # The first and the last one in text order differ where any two do.
    low, high = min(names, default=""), max(names, default="")
    length = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    folder = low[: low.rfind("/", 0, length) + 1]
    return folder if len(folder) > 1 and not folder.endswith("://") else ""


def column_widths(
    natural: Sequence[int], fixed: Sequence[bool], available: int, always: int = _ALWAYS
) -> list[int]:
    """Return the widths of as many columns as fit into `available` cells, `always` or more.

    The widest are shortened first, fixed ones never.
    """
    readable = [
        width if keep else min(width, _READABLE) for width, keep in zip(natural, fixed, strict=True)
    ]
    shown = len(natural)
    while shown > always and _total(readable[:shown]) > available:
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
