"""Reads the rows of a damaged table: all but those that a damaged page hides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

Row = tuple[Any, ...]
Query = Callable[[str, tuple[int, ...]], list[Row] | None]
"""Runs the end of a query of whole rows, with its parameters; the first column is the rowid.

Returns None where a page that the query needs is damaged.
"""

_BATCH = 500
# Ends of tables are looked for so many row ids behind a damaged page.
_MAX_HIDDEN = 1 << 24
# Where n row ids in succession are hidden, the next n / 100 are taken to be hidden too. A lost page
# of a table hides a few hundred rows, and one inside its tree thousands.
_STEPS = 100
# So many queries of a table may fail, and one more for so many bytes of the file: each damaged row
# of honest damage costs one, and an untrusted file can have any number of damaged pages.
_MAX_FAILED = 20_000
_BYTES_PER_FAILED = 100


def readable_rows(query: Query, byte_count: int) -> Iterator[Row]:
    """Yield, by rowid, the rows of a table that can be read. `byte_count`: size of the file."""
    yield from _Reader(query, _MAX_FAILED + byte_count // _BYTES_PER_FAILED).rows()


class _Reader:
    """Reads from the front; behind a row that cannot be read, finds the next that can.

    The query of the first row from a row id on fails from the row id after the last readable row up
    to that of the last hidden one, so that a damaged page is a range of row ids.
    """

    def __init__(self, query: Query, allowed: int) -> None:
        self._query = query
        self._failures_left = allowed

    def rows(self) -> Iterator[Row]:
        position, batch, end = 1, _BATCH, None
        while self._failures_left > 0:
            found = self._from(position, batch)
            if found:
                yield from found
                position, batch = found[-1][0] + 1, min(_BATCH, 2 * batch)
            elif found is not None:
                return
            elif batch > 1:
                batch = 1
            else:
                if end is None:
                    end = self._last_readable(position)
                next_position = self._behind_hidden(position, end)
                if next_position is None:
                    return
                position = next_position

    def _from(self, rowid: int, count: int = 1) -> list[Row] | None:
        """Return the next `count` rows from a row id on, or None if they cannot be read."""
        found = self._query("WHERE rowid >= ? ORDER BY rowid LIMIT ?", (rowid, count))
        if found is None or not _is_ordered(rowid, found):
            self._failures_left -= 1
            return None
        return found

    def _last_readable(self, position: int) -> int:
        """Return the rowid of the last row, or how far to look for one if that cannot be read."""
        found = self._query("WHERE rowid > ? ORDER BY rowid DESC LIMIT 1", (position,))
        last = int(found[0][0]) if found else 0
        return last if last > position else position + _MAX_HIDDEN

    def _behind_hidden(self, hidden: int, end: int) -> int | None:
        """Return the first row id above `hidden` from which a row can be read, or None."""
        last, readable = hidden, hidden
        while readable == hidden:
            if last >= end or self._failures_left <= 0:
                return None
            probe = min(end, last + max(1, (last - hidden) // _STEPS))
            if self._from(probe) is None:
                last = probe
            else:
                readable = probe
        while readable - last > 1 and self._failures_left > 0:
            middle = (last + readable) // 2
            if self._from(middle) is None:
                last = middle
            else:
                readable = middle
        return readable


def _is_ordered(rowid: int, rows: list[Row]) -> bool:
    """Return whether rows from `rowid` on are in ascending order.

    A damaged tree may lead to other rows, and to the same rows again and again.
    """
    ids = [rowid - 1, *(row[0] for row in rows)]
    return all(first < second for first, second in pairwise(ids))
