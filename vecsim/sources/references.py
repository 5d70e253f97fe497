"""From rows of a list to references of images: ids, addresses, several images in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vecsim.errors import FailureKind
from vecsim.records import ImageRef, UnusableRef
from vecsim.sources.cells import CellError, CellReader, plain_address, prefix_of, problem_of
from vecsim.sources.columns import ListRow
from vecsim.sources.options import SourceOptions
from vecsim.sources.reading import Reading
from vecsim.urls import without_credentials


def references(
    rows: Iterator[ListRow], label: str, folder: Path, options: SourceOptions, reading: Reading
) -> Iterator[ImageRef]:
    """Yield the images of `rows`, an `UnusableRef` for each that names none.

    `label`: names the list in locations. `folder`: where relative paths begin.
    """
    several = len(options.url_columns) > 1 or options.split_cells
    prefix = prefix_of(folder)
    cells = CellReader(folder, reading.notes, split=options.split_cells)
    for line, id_cell, url_cells, fields, problem in rows:
        location = f"{label} line {line}"
        if problem:
            name = Path(location).name
            yield UnusableRef(name, "", fields, location, kind=FailureKind.BAD_ROW, message=problem)
            continue
        if not several:
            url = plain_address(url_cells[0].strip(), prefix)
            if url:
                name = id_cell if id_cell and not id_cell.isspace() else url
                yield ImageRef(
                    without_credentials(name) if "@" in name else name, url, fields, location
                )
                continue
        row = _Row(without_credentials(id_cell) if id_cell.strip() else "", fields, location)
        yield from row.references(url_cells, cells)


class _Row:
    """One row whose cells need a closer look, or that may list several images."""

    def __init__(self, row_id: str, fields: Mapping[str, str], location: str) -> None:
        self._id = row_id
        self._fields = fields
        self._location = location

    def references(self, url_cells: Sequence[str], cells: CellReader) -> Iterator[ImageRef]:
        """Yield the images of the row: called id, id#2, id#3 … by the place of each in the row.

        An empty cell has a place too, so that ids stay when it is filled.
        """
        place, is_empty = 0, True
        for cell in url_cells:
            place += 1
            try:
                addresses = cells.addresses(cell)
            except CellError as error:
                is_empty = False
                yield self._unusable(place, "", f"{error} ({self._location})")
                continue
            for number, address in enumerate(addresses):
                is_empty = False
                place += number > 0
                problem = problem_of(address)
                if problem:
                    yield self._unusable(place, address, problem)
                else:
                    name = self._name(place) if self._id else without_credentials(address)
                    yield ImageRef(name, address, self._fields, self._location)
        if is_empty:
            shown = next((cell.strip() for cell in url_cells if cell.strip()), "")
            said = f"the cell of the URL says {shown!r}" if shown else "the row has no URL"
            yield self._unusable(1, "", f"{said} ({self._location})")

    def _name(self, place: int) -> str:
        return self._id if place == 1 else f"{self._id}#{place}"

    def _unusable(self, place: int, address: str, message: str) -> UnusableRef:
        name = (
            self._name(place)
            if self._id
            else without_credentials(address) or Path(self._location).name
        )
        kind = FailureKind.BAD_URL
        return UnusableRef(name, address, self._fields, self._location, kind=kind, message=message)
