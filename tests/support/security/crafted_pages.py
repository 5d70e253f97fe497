"""Changes pages of SQLite files so that rows are read again and again, or share their bytes."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

CELLS = 100


class Pages:
    """The pages of a closed SQLite file, numbered from 1; written by `save`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._data = bytearray(file.read_bytes())
        self.size = int.from_bytes(self._data[16:18], "big")

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._data[(number - 1) * self.size : number * self.size])

    def __setitem__(self, number: int, page: bytes) -> None:
        assert len(page) == self.size
        self._data[(number - 1) * self.size : number * self.size] = page

    def add(self, page: bytes) -> int:
        """Append a page; return its number."""
        self._data += page
        return len(self._data) // self.size

    def save(self) -> None:
        count = len(self._data) // self.size
        self._data[28:32] = struct.pack(">I", count)
        self._data[92:96] = self._data[24:28]  # or SQLite would not believe the number of pages
        self.file.write_bytes(self._data)

    def page(self, kind: int, cells: list[bytes], right: int = 0) -> bytes:
        """Make a page of a table: 5 inside its tree, 13 with rows."""
        page, place = bytearray(self.size), self.size
        head = 12 if kind == 5 else 8
        for number, cell in enumerate(cells):
            place -= len(cell)
            page[place : place + len(cell)] = cell
            page[head + 2 * number : head + 2 * number + 2] = struct.pack(">H", place)
        assert place >= head + 2 * len(cells)
        page[:8] = struct.pack(">BHHHB", kind, 0, len(cells), place, 0)
        if kind == 5:
            page[8:12] = struct.pack(">I", right)
        return bytes(page)

    def first_leaf(self, number: int) -> bytes:
        """Return the page with the first rows of the tree below page `number`."""
        page = self[number]
        while page[0] == 5:
            (place,) = struct.unpack_from(">H", page, 12)
            page = self[int.from_bytes(page[place : place + 4], "big")]
        return page

    def inner(self, children: list[tuple[int, int]]) -> bytes:
        """Make a page inside a tree from the pages below it and the last rowid of each."""
        cells = [struct.pack(">I", child) + varint(last) for child, last in children[:-1]]
        return self.page(5, cells, children[-1][0])


def varint(number: int) -> bytes:
    """Return a number as SQLite writes it."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(number & 0x7F | 0x80)
    return bytes(parts[::-1])


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number as SQLite writes it, and the place behind it."""
    number = 0
    for byte in data[place : place + 8]:
        place += 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return number, place


def root_of(file: Path, table: str) -> int:
    """Return the number of the page with which a table begins."""
    with closing(sqlite3.connect(file, isolation_level=None)) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table])
    return int(root)


def repeat_a_page(file: Path, table: str, levels: int = 15) -> None:
    """Make a table of one page a tree of `levels`, each with the next one a hundred times."""
    root = root_of(file, table)
    pages = Pages(file)
    below = pages.add(pages[root])
    for level in range(levels):
        page = pages.inner([(below, number + 1) for number in range(CELLS)])
        if level == levels - 1:
            pages[root] = page
        else:
            below = pages.add(page)
    pages.save()


def share_overflow(
    file: Path, table: str, count: int, change: Callable[[bytes, int], bytes] = lambda cell, n: cell
) -> None:
    """Make a table of `count` copies of its first row, which must be longer than a page.

    All have the same overflow pages and the rowids from 1 on. `change` is called with the part of
    the row that is in its own page, and the rowid. Indexes stay those of the rows that were there.
    """
    root = root_of(file, table)
    pages = Pages(file)
    leaf = pages.first_leaf(root)
    (place,) = struct.unpack_from(">H", leaf, 8)
    length, behind = read_varint(leaf, place)
    _, begin = read_varint(leaf, behind)
    usable = pages.size - pages[1][20]
    least = (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)
    end = begin + (local if local <= usable - 35 else least)
    row, overflow = leaf[begin:end], leaf[end : end + 4]
    children: list[tuple[int, int]] = []
    cells: list[bytes] = []
    for rowid in range(1, count + 1):
        cells.append(varint(length) + varint(rowid) + change(row, rowid) + overflow)
        full = sum(map(len, cells)) + 2 * len(cells) + len(cells[-1]) + 10 > pages.size
        if full or rowid == count:
            children.append((pages.add(pages.page(13, cells)), rowid))
            cells = []
    while len(children) > CELLS:
        parts = [children[n : n + CELLS] for n in range(0, len(children), CELLS)]
        children = [(pages.add(pages.inner(part)), part[-1][1]) for part in parts]
    pages[root] = pages.inner(children)
    pages.save()
