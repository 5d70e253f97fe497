"""Property: in a list of any shape with one column of URLs, that column is found, or none is."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecsim.errors import InputError
from vecsim.records import UnusableRef
from vecsim.sources import Reading, SourceOptions, read_source

WORDS = ["Shoe", "red, blue", 'a 5" disc', "Größe; 42", "été", "N/A", "", "in stock", "x | y", "7"]
HTML = [
    "<p>A shoe</p>",
    "",
    '<div>See <a href="https://shop.example/size">sizes</a><br></div>',
    '<p>Blue</p><p><img src="https://cdn.shop.example/size.png"></p>',
]
KINDS = {
    "title": st.sampled_from(WORDS),
    "text": st.sampled_from(['two\nlines, "quoted"', "one line", "• 100 % „Wolle“, 5 €", ""]),
    "html": st.sampled_from(HTML),
    "price": st.sampled_from(["9.99", "1,99", "", "EUR 5", "1.299,00"]),
    "count": st.integers(0, 999).map(str),
    "date": st.sampled_from(["2026-11-26", "26.11.2026", "11/26/2026", "2026-11-26 10:00:00"]),
    "flag": st.sampled_from(["yes", "no", "TRUE", "0", ""]),
    "file": st.sampled_from(["shoe.jpg", "hat-2.png", "", "a b.jpeg"]),
    "category": st.sampled_from(["Home > Garden", "a/b/c", "shoes;men|sale", "#summer"]),
    "mail": st.sampled_from(["anna@shop.example", "", "+49 30 1234"]),
    "json": st.sampled_from(['{"a": 1}', "[1, 2]", '["x", "y"]', "{}"]),
}
MISLEADING = ["image alt", "photo credit", "Bild-Nr", "thumbnail", "Images count", "link text"]
NAMES = ["url", "image_link", "Image Src", "Images", "base_image", "photo", "src", "img", "Bild"]
NAMES += ["x", "Produktbild (groß)"]
HOSTS = ["https://cdn.shop.example", "http://127.0.0.1:8080", "https://x.example/c_fill,w_3"]
ABOVE = ["", "", "", "\n", "# exported 2026-11-26\n"]


@dataclass(frozen=True)
class Shape:
    """A list: its text as bytes, and the URLs of its sound rows."""

    data: bytes
    urls: list[str]
    broken: int
    header: bool


@st.composite
def headings(draw: st.DrawFn, kinds: list[str], place: int) -> list[str]:
    """Names of the columns of `kinds`, some misleading, and at `place` that of the URLs."""
    used = [draw(st.sampled_from([kind, kind, *MISLEADING])) for kind in kinds]
    names = [name if used.count(name) == 1 else kinds[n] for n, name in enumerate(used)]
    return [*names[:place], draw(st.sampled_from(NAMES)), *names[place:]]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    header = draw(st.booleans())
    # Without a header, URLs with commas beside other columns can be read in two ways, and so can
    # what looks like the end of a URL behind a comma.
    host = draw(st.sampled_from(HOSTS if header else HOSTS[:2]))
    known = sorted(KINDS if header else KINDS.keys() - {"category", "file"})
    kinds = draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    place = draw(st.integers(0, len(kinds)))
    suffix = draw(st.sampled_from([".jpg", ".png?w=3", "", ".webp"]))
    # Without a header, the first row says how many cells a row has.
    may_be_ragged = header and bool(kinds)
    urls: list[str] = []
    rows: list[list[str]] = []
    broken = 0
    for number in range(draw(st.integers(1, 12))):
        cells = [draw(KINDS[kind]) for kind in kinds]
        url = f"{host}/p/{number}{suffix}"
        row = [*cells[:place], url, *cells[place:]]
        # At least the first row is sound: with broken ones alone a list is refused.
        how = draw(st.integers(0, 9)) if may_be_ragged else 9
        if how == 0 and number:
            row.append("one too many")
        elif how == 1 and number:
            row = row[: draw(st.integers(1, len(row)))]
        elif how < 4:
            row += [""] * draw(st.integers(0, 2))
        rows.append(row)
        if (how == 0 and number) or url not in row:
            broken += any(map(str.strip, row))
        else:
            urls.append(url)
    table = [draw(headings(kinds, place)), *rows] if header else rows
    text = draw(st.sampled_from(ABOVE)) + draw(written(table))
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return Shape(text.encode(codec), urls, broken, header)


@st.composite
def written(draw: st.DrawFn, rows: list[list[str]]) -> str:
    """The text of a table, as spreadsheets and scripts write it."""
    delimiter = draw(st.sampled_from(",;\t|"))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE]))
    plain = delimiter == "\t" and all(row != [""] and "\n" not in "".join(row) for row in rows)
    if quoting == csv.QUOTE_NONE and not plain:
        quoting = csv.QUOTE_MINIMAL
    file = io.StringIO(newline="")
    writer = csv.writer(
        file,
        delimiter=delimiter,
        quoting=quoting,  # type: ignore[arg-type]
        quotechar=None if quoting == csv.QUOTE_NONE else '"',
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerows(rows)
    return file.getvalue() + draw(st.sampled_from(["", "", "\n"]))


def check_that_the_column_is_found_or_the_list_refused(shape: Shape) -> None:
    reading = Reading(stdin=io.BytesIO(shape.data))
    try:
        found = list(read_source("-", SourceOptions(), reading))
    except InputError as error:
        assert "standard input" in str(error)
        return
    usable = [ref.url for ref in found if not isinstance(ref, UnusableRef)]
    assert usable == shape.urls, reading.notes.remarks
    assert len(found) - len(usable) == shape.broken


def check_that_the_list_is_not_refused(shape: Shape) -> None:
    found = read_source("-", SourceOptions(), Reading(stdin=io.BytesIO(shape.data)))
    assert [ref.url for ref in found] == shape.urls


SOUND = shapes().filter(lambda shape: shape.header and not shape.broken)
QUICK = settings(max_examples=100, deadline=None, derandomize=True)  # the same lists in each run
LONG = settings(max_examples=3000, deadline=None, database=None)


@QUICK
@given(shapes())
def test_the_column_of_urls_is_found_or_the_list_is_refused(shape: Shape) -> None:
    check_that_the_column_is_found_or_the_list_refused(shape)


@pytest.mark.slow
@LONG
@given(shapes())
def test_the_column_of_urls_is_found_or_the_list_is_refused_at_length(shape: Shape) -> None:
    check_that_the_column_is_found_or_the_list_refused(shape)


@QUICK
@given(SOUND)
@pytest.mark.ci
def test_a_list_with_a_header_and_sound_rows_is_never_refused(shape: Shape) -> None:
    check_that_the_list_is_not_refused(shape)


@pytest.mark.slow
@LONG
@given(SOUND)
def test_a_list_with_a_header_and_sound_rows_is_never_refused_at_length(shape: Shape) -> None:
    check_that_the_list_is_not_refused(shape)
