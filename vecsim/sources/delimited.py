"""CSV and TSV: from the text of a list to rows with their id, URL and other fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from itertools import chain, islice
from operator import itemgetter

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.sources.cells import likeness
from vecsim.sources.columns import ColumnLayout, LayoutChooser, ListRow, choose_columns
from vecsim.sources.csv_rows import MAX_COLUMNS, AddressColumns, CsvRow, CsvRows
from vecsim.sources.detection import SAMPLE_ROWS, detect_form
from vecsim.sources.list_start import ListStart, number_columns, parse_header
from vecsim.sources.options import SourceOptions
from vecsim.sources.text import ListText

_MOST_CELLS = 200


def read_delimited(
    text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the rows below the header, without blank ones; broken ones say what is wrong.

    Raises `InputError` for a header that names no columns, and if no row at the start is sound.
    """
    form = detect_form(text.head, text.is_whole, options, text.folder, is_guarded=text.is_marked)
    lines = islice(text.lines, form.skipped, None) if form.skipped else text.lines
    rows = CsvRows(
        lines,
        form.delimiter,
        quotes=form.quotes,
        first_line=form.skipped + 1,
        flaws=text.flaws,
        is_guarded=text.is_marked,
    )
    stream = iter(rows)
    first = next((row for row in stream if any(map(str.strip, row[1]))), None)
    if first is None:
        return
    line, cells, problem = first
    location = text.location(line)
    if problem:
        raise _no_sound_row(text, line, problem)
    if len(cells) > MAX_COLUMNS:
        count = f"{len(cells):,} columns; at most {MAX_COLUMNS:,} are read"
        raise InputError(f"{location} has {count}.")
    if form.has_header:
        names = parse_header(location, cells)
    else:
        names = number_columns(len(cells))
        stream = chain([first], stream)
        if options.header:
            text.reading.notes.remark(f"{location} names no columns: it is read as an image.")
    rows.expect(len(names), lambda row: _columns_of_images(row, text))
    first_rows = _some_sound(text, stream)
    layout = choose(_start_of(text, names, first_rows, location, is_named=form.has_header), options)
    rows.expect(len(names), _address_column(layout, text))
    yield from _list_rows(chain(first_rows, stream), layout)


def _start_of(
    text: ListText, names: list[str], rows: list[CsvRow], location: str, *, is_named: bool
) -> ListStart:
    return ListStart(
        names,
        [cells for _, cells, problem in rows if cells and not problem],
        location,
        is_named=is_named,
        folder=text.folder,
        fetched=text.reading.fetched,
        notes=text.reading.notes,
    )


def _address_column(layout: ColumnLayout, text: ListText) -> AddressColumns:
    """Return what tells rows by their cells: an address without a quote where one belongs."""
    position, id_position, folder = layout.url, layout.id, text.folder

    def columns(cells: Sequence[str]) -> Set[int]:
        cell = cells[position]
        if '"' in cell or (id_position is not None and '"' in cells[id_position]):
            return set()
        return {position} if likeness(cell, folder) else set()

    return columns


def _columns_of_images(cells: Sequence[str], text: ListText) -> Set[int]:
    """Return the columns with addresses; none if there is a quote in one or in the first cell."""
    columns = {n for n, cell in enumerate(cells[:_MOST_CELLS]) if likeness(cell, text.folder)}
    return set() if any('"' in cells[n] for n in columns | {0}) else columns


def _some_sound(text: ListText, rows: Iterator[CsvRow]) -> list[CsvRow]:
    """Take the first rows. Raises `InputError` if there are some, and all of them are broken."""
    first = list(islice(rows, SAMPLE_ROWS))
    broken = [row for row in first if row[2]]
    if broken and len(broken) == sum(any(map(str.strip, row[1])) for row in first):
        line, _, problem = broken[0]
        raise _no_sound_row(text, line, problem)
    return first


def _no_sound_row(text: ListText, line: int, problem: str) -> InputError:
    hint = Hint(Action.CHOOSE_DELIMITER) if "delimiter" in problem else None
    if "bytes that are not" in problem:
        hint = Hint(Action.NAME_ENCODING, encoding="cp1252")
    return InputError(f"{text.location(line)}: {problem.rstrip('.')}.", hint=hint)


def _list_rows(rows: Iterator[CsvRow], layout: ColumnLayout) -> Iterator[ListRow]:
    """Yield rows with their cells in place."""
    names = tuple(layout.fields)
    fields_of = _getter(list(layout.fields.values()))
    urls_of = _getter(list(layout.urls))
    id_position = layout.id
    id_cell = ""
    for line, cells, problem in rows:
        if problem:
            if any(map(str.strip, cells)):
                yield line, "", (), {}, problem
            continue
        if not cells:
            continue
        urls = urls_of(cells)
        if not urls[0] and not any(map(str.strip, cells)):
            continue
        if id_position is not None:
            id_cell = cells[id_position]
        yield line, id_cell, urls, dict(zip(names, fields_of(cells), strict=True)), ""


def _getter(positions: list[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return a function that takes the cells at `positions` out of a row."""
    if not positions:
        return lambda cells: ()
    if len(positions) == 1:
        (position,) = positions
        return lambda cells: (cells[position],)
    return itemgetter(*positions)
