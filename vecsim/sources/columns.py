"""Which columns of a list are the id, the URLs and the other fields: by names and by cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vecsim.sources.list_start import ListStart, find_column, find_requested
from vecsim.sources.options import SourceOptions
from vecsim.sources.url_column import best_url_column, refuse_requested

FAILURE_COLUMNS = ("final_url", "kind", "http_status", "message", "attempts", "last_try")
"""The last columns of the list that `vecsim failures` writes. They describe the failures and are
not fields of the images: a list that ends with them is read without them, unless `columns` names
them."""

ListRow: TypeAlias = tuple[int, str, Sequence[str], dict[str, str], str]
"""What a reader of lists yields: physical line, id cell, URL cells, other fields, and what is wrong
with the row (empty for a sound one, which alone has the others)."""


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Positions of the columns in a row. `fields` maps the names of other fields to positions.

    `id` is None where the URL serves as the id. `more_urls`: further columns of URLs.
    """

    id: int | None
    url: int
    fields: dict[str, int]
    more_urls: tuple[int, ...] = ()

    @property
    def urls(self) -> tuple[int, ...]:
        """All columns of URLs."""
        return (self.url, *self.more_urls)


LayoutChooser: TypeAlias = Callable[[ListStart, SourceOptions], ColumnLayout]
"""`choose_columns`, or a choice for another kind of list."""


def choose_columns(start: ListStart, options: SourceOptions) -> ColumnLayout:
    """Decide which columns hold the id, the URLs and the other fields.

    The id is in `id_column`, else in the column `id`; without a header, in the first of several
    columns; else the URL serves as the id. The URL is in `url_column`, else in the column whose
    cells look most like pictures: see `best_url_column`. Raises `InputError` for a column that
    does not exist, and if no column looks like one of pictures.
    """
    names = start.names
    requested = [find_requested(names, name, start.location) for name in options.url_columns]
    urls = [position for position in requested if position is not None]
    id_position = find_requested(names, options.id_column, start.location)
    if id_position is None:
        id_position = find_column(names, "id") if start.is_named else None
    for position in urls:
        refuse_requested(start, position)
    if not urls:
        urls = [best_url_column(start, id_position)]
    if id_position is None and not start.is_named and len(names) > 1 and 0 not in urls:
        id_position = 0
    if id_position in urls:
        id_position = None
    fields = {
        names[position]: position
        for position in _field_positions(names, options, start.location)
        if position != id_position and position not in urls
    }
    return ColumnLayout(id_position, urls[0], fields, tuple(urls[1:]))


def _field_positions(names: Sequence[str], options: SourceOptions, location: str) -> Iterator[int]:
    """Yield the columns to keep: those that `columns` names, else all but those of failures."""
    if options.columns is None:
        count = len(names)
        if tuple(names[-len(FAILURE_COLUMNS) :]) == FAILURE_COLUMNS:
            count -= len(FAILURE_COLUMNS)
        yield from range(count)
        return
    for name in options.columns:
        position = find_requested(names, name, location)
        if position is not None:
            yield position
