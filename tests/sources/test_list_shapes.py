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
KINDS = {
    "title": st.sampled_from(WORDS),
    "price": st.sampled_from(["9.99", "1,99", "", "EUR 5", "1.299,00"]),
    "count": st.integers(0, 999).map(str),
    "date": st.sampled_from(["2026-11-26", "26.11.2026", "11/26/2026"]),
    "flag": st.sampled_from(["yes", "no", "TRUE", "0", ""]),
}
NAMES = [
    "url",
    "image_link",
    "Image Src",
    "Images",
    "base_image",
    "photo",
    "src",
    "img",
    "Bild",
    "x",
]
HOSTS = ["https://cdn.shop.example", "http://127.0.0.1:8080", "https://x.example/c_fill,w_3"]


@dataclass(frozen=True)
class Shape:
    """A list: its text as bytes, and the URLs of its sound rows."""

    data: bytes
    urls: list[str]
    broken: int
    header: bool


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=4, unique=True))
    place = draw(st.integers(0, len(kinds)))
    names = [*kinds[:place], draw(st.sampled_from(NAMES)), *kinds[place:]]
    header = draw(st.booleans())
    count = draw(st.integers(1, 12))
    suffix = draw(st.sampled_from([".jpg", ".png?w=3", "", ".webp"]))
    # Without a header, URLs with commas beside other columns can be read in two ways.
    host = draw(st.sampled_from(HOSTS if header else HOSTS[:2]))
    # Without a header, the first row says how many cells a row has.
    trailing = [0, 0, 0, 1, 2] if header and len(names) > 1 else [0]
    urls, rows = [], []
    broken = 0
    for number in range(count):
        cells = [draw(KINDS[kind]) for kind in kinds]
        url = f"{host}/p/{number}{suffix}"
        row = [*cells[:place], url, *cells[place:]]
        # At least the first row is sound: with broken ones alone a list is refused.
        if header and number and len(names) > 1 and draw(st.integers(0, 5)) == 0:
            rows.append([*row, "one too many"])
            broken += 1
        else:
            rows.append([*row, *[""] * draw(st.sampled_from(trailing))])
            urls.append(url)
    written = io.StringIO(newline="")
    writer = csv.writer(
        written,
        delimiter=draw(st.sampled_from(",;\t|")),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),  # type: ignore[arg-type]
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    if header:
        writer.writerow(names)
    writer.writerows(rows)
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return Shape(written.getvalue().encode(codec), urls, broken, header)


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
