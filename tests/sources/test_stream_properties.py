"""Properties of reading: CSV round trips, any bytes, constant memory."""

from __future__ import annotations

import codecs
import csv
import io
import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.sources import Reading, SourceOptions, read_source

# NUL is refused on purpose; lone surrogates cannot be written as UTF-8.
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
SPICE = st.sampled_from(['"', "\n", "\r", "\r\n", ",", "\t", ";", "|", '""', " ", "\ufeff", "鞋"])
FIELDS = st.one_of(CELLS, st.lists(st.one_of(SPICE, CELLS), max_size=6).map("".join))
ROWS = st.lists(st.tuples(FIELDS, FIELDS), max_size=12)


@given(
    rows=ROWS,
    delimiter=st.sampled_from(",\t;|"),
    sniffed=st.booleans(),
    mark=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str]], delimiter: str, sniffed: bool, mark: bool, quoting: int
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["id", "one", "two", "url"])
    starts = []
    for number, row in enumerate(rows):
        starts.append(_line(written.getvalue()))
        writer.writerow([f"#{number}", *row, f"https://x.example/{number}.jpg"])
    data = (codecs.BOM_UTF8 if mark else b"") + written.getvalue().encode()
    options = SourceOptions(delimiter=None if sniffed else delimiter)
    found = list(read_source("-", options, reading=Reading(stdin=io.BytesIO(data))))
    assert [ref.id for ref in found] == [f"#{number}" for number in range(len(rows))]
    assert [(ref.fields["one"], ref.fields["two"]) for ref in found] == rows
    assert [ref.location for ref in found] == [f"standard input line {line}" for line in starts]


def _line(before: str) -> int:
    """Return the number of the physical line after the text `before`."""
    return len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@given(st.binary(max_size=300))
def test_any_bytes_give_references_or_a_clear_error(data: bytes) -> None:
    from vecsim.errors import VecsimError

    for header in (True, False):
        try:
            for ref in read_source(
                "-", SourceOptions(header=header), reading=Reading(stdin=io.BytesIO(data))
            ):
                assert ref.id
        except VecsimError as error:
            assert "standard input" in str(error)


class Rows(io.RawIOBase):
    """A list that is generated while it is read."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows

    def read(self, size: int = -1, /) -> bytes:
        return b"".join(islice(self._rows, 500))


@pytest.mark.parametrize(("kind", "total"), [("csv", 40_000), ("jsonl", 40_000)])
@pytest.mark.ci
def test_memory_does_not_grow_with_the_number_of_rows(kind: str, total: int) -> None:
    def rows() -> Iterator[bytes]:
        if kind == "csv":
            yield b"id,title,url\n"
        for number in range(total):
            url = f"https://shop.example/{number}.jpg"
            if kind == "csv":
                yield f'{number},"a title\nof two lines",{url}\n'.encode()
            else:
                yield f'{{"id": {number}, "title": "t", "url": "{url}"}}\n'.encode()

    count = 0
    tracemalloc.start()
    try:
        for _ref in read_source("-", reading=Reading(stdin=Rows(rows()))):  # type: ignore[arg-type]
            count += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == total
    assert peak < 2_000_000
