"""Lists that name images of an index: ids, or pairs about which a person decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.sources.cells import resolve
from vecsim.sources.columns import ColumnLayout
from vecsim.sources.list_start import ListStart, find_column, find_requested
from vecsim.sources.options import SourceOptions
from vecsim.sources.reader import check_exists, read_source, sound_rows
from vecsim.sources.text import folder_of
from vecsim.urls import without_credentials

KnownIds: TypeAlias = Callable[[Collection[str]], Collection[str]]
"""Returns those of some ids that an index knows."""

_DEFAULTS = SourceOptions()
_VERDICT_COLUMNS = ("verdict", "mark", "answer")
_VERDICTS = {
    "same": "same",
    "keep": "same",  # marks of a report of matches: the match is right, or wrong
    "different": "different",
    "reject": "different",
    "skip": "",
    "": "",
}
_NAMES_OF_IDS = (
    *("sku", "handle", "article", "artikel", "artikelnummer", "asin", "ean", "gtin", "isbn"),
    *("mpn", "code", "key", "product_id", "item_id", "article_id", "image_id", "picture_id"),
)
_NAMES = ("id", "url", "path")


@dataclass(frozen=True, slots=True)
class IdList:
    """The ids of a list, each once, in its order. `kept`: those whose row says keep=yes."""

    ids: list[str]
    kept: list[str]


def read_ids(
    source: str | Path, options: SourceOptions = _DEFAULTS, known: KnownIds = lambda ids: ()
) -> IdList:
    """Read the ids that `source` lists; with a column `keep`, the rows with yes are `kept`.

    A list of ids needs no URLs. In a list without ids, and in a folder, the URLs are the ids.
    `known` tells which column has the ids, and whether the first row is one, where the names of
    the columns do not. Raises `InputError`, also for an id that is listed with keep=yes and with
    keep=no.
    """
    places = check_exists(source)
    if len(places) > 1 or (places[0] != "-" and os.path.isdir(places[0])):
        return IdList([ref.id for ref in chain.from_iterable(map(read_source, places))], [])
    (name,) = places
    rows = list(_id_rows(name, options, known))
    if all(keep is None for _, keep, _ in rows):
        return IdList(list(dict.fromkeys(image_id for image_id, _, _ in rows)), [])
    listed: dict[str, dict[str, None]] = {"yes": {}, "no": {}}
    for image_id, keep, location in rows:
        verdict = (keep or "").strip().casefold()
        if verdict not in listed:
            raise InputError(f"{location}: keep is {keep or ''!r}; write yes or no.")
        listed[verdict][image_id] = None
    both = next((image_id for image_id in listed["no"] if image_id in listed["yes"]), None)
    if both is not None:
        raise InputError(
            f"{name}: {both!r} is listed with keep=yes and with keep=no. Correct one of the rows."
        )
    return IdList(list(listed["no"]), list(listed["yes"]))


def _id_rows(
    name: str, options: SourceOptions, known: KnownIds
) -> Iterator[tuple[str, str | None, str]]:
    """Yield the id, the cell `keep` if there is one, and the location of each row."""
    first_ids: list[str] = []

    def choose(start: ListStart, options: SourceOptions) -> ColumnLayout:
        layout = choose_id_columns(start, options, known)
        # Names of columns that are ids: the list has no header.
        position = layout.url if layout.id is None else layout.id
        name_of_ids = start.names[position]
        if start.is_named and name_of_ids.casefold() not in _NAMES and known([name_of_ids]):
            first_ids.append(start.names[position])
        return layout

    folder = folder_of(name)
    for location, (_, id_cell, urls, fields, _) in sound_rows(name, options, choose):
        if first_ids:
            yield first_ids.pop(), None, location
        named = id_cell if id_cell.strip() else resolve(urls[0], folder)
        image_id = without_credentials(named)
        if not image_id:
            raise InputError(f"{location}: this row has no id.")
        keep = (cell for column, cell in fields.items() if column.casefold() == "keep")
        yield image_id, next(keep, None), location


def choose_id_columns(
    start: ListStart, options: SourceOptions, known: KnownIds = lambda ids: ()
) -> ColumnLayout:
    """Decide which column holds the ids of a list that need not have URLs.

    The id is in `id_column`, else in the column of which the index knows the most cells; else in
    the column `id`; else the URL in `url`, in `path` or in a column of URLs that the index knows
    serves as the id; else it is in the only column or, without a header, in the first. `url` is
    the position of the id where the list has no URLs.
    Raises `InputError` where none of these exists.
    """
    names = start.names
    id_position = find_requested(names, options.id_column, start.location)
    if id_position is None and start.is_named and len(_sides(names)) > 1:
        raise _no_id_column(names, start.location)
    url_position: int | None = None
    if start.is_named:
        url_position = find_column(names, "url")
        if url_position is None:
            url_position = find_column(names, "path")
        if url_position is None:
            url_position = _known_addresses(start, known)
        if id_position is None:
            id_position = find_column(names, "id")
    if options.id_column is None:
        id_position = _most_known(start, known, id_position, url_position)
    if id_position is None and url_position is None and (len(names) == 1 or not start.is_named):
        id_position = 0
    url = id_position if url_position is None else url_position
    if url is None:
        raise _no_id_column(names, start.location)
    fields = {name: n for n, name in enumerate(names) if n not in (id_position, url)}
    return ColumnLayout(id_position, url, fields)


def _most_known(
    start: ListStart, known: KnownIds, id_position: int | None, url_position: int | None
) -> int | None:
    """Return the column of the ids: `id_position` if the index knows one of its cells, else that
    of which it knows the most; None if that is the column of URLs, and `id_position` if none is.

    Numbers of rows may be ids by chance: of several columns, one counts whose name may be of ids.
    """
    counts = {}
    for position, name in enumerate(start.names[:100]):
        if not (
            position in (id_position, url_position)
            or len(start.names) == 1
            or (start.is_named and name.casefold() in _NAMES_OF_IDS)
            or (not start.is_named and position == 0)
        ):
            continue
        cells = {*start.cells(position)}
        if start.is_named:
            cells.add(start.names[position])
        if position == url_position:
            cells |= {resolve(cell, start.folder) for cell in cells}
        counts[position] = len(known(cells))
    best = max(counts, key=lambda n: counts[n], default=None)
    if best is None or not counts[best] or (id_position is not None and counts[id_position]):
        return id_position
    return None if best == url_position else best


def _known_addresses(start: ListStart, known: KnownIds) -> int | None:
    """Return the column of addresses of which the index knows the most, None if it knows none."""
    counts = {}
    for position in range(min(len(start.names), 100)):
        if start.share(position) >= 0.5:
            cells = start.cells(position)
            counts[position] = len(known({*cells, *(resolve(c, start.folder) for c in cells)}))
    best = max(counts, key=lambda n: counts[n], default=None)
    return best if best is not None and counts[best] else None


def _sides(names: Sequence[str]) -> list[str]:
    """Return the columns of ids of a list of pairs, which has no column of its own id."""
    if find_column(names, "id") is not None:
        return []
    return [name for name in names if name.casefold().endswith("_id")]


def _no_id_column(names: Sequence[str], location: str) -> InputError:
    """Return the error for a list in which no column can hold ids; a list of pairs is named so."""
    sides = _sides(names)
    if len(sides) > 1:
        return InputError(
            f"{location}: this list has pairs of images ({sides[0]}, {sides[1]}), not images.",
            hint=Hint(Action.IMPORT_DECISIONS, file=location.rpartition(" line ")[0]),
        )
    existing = ", ".join(names[:50])
    return InputError(
        f"{location}: which column has the ids? There are: {existing}.",
        hint=Hint(Action.CHOOSE_ID_COLUMN),
    )


@dataclass(frozen=True, slots=True)
class DecidedPair:
    """One row: two images and the `verdict` about them, "same" or "different".

    `ids`, `urls`, `hashes` (SHA-256): of both images, empty where the list has none.
    `decided_at`: UTC, ISO 8601, or empty.
    """

    verdict: str
    ids: tuple[str, str]
    urls: tuple[str, str] = ("", "")
    hashes: tuple[str, str] = ("", "")
    decided_at: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Names of the columns of a list of pairs; None or empty for those that it lacks."""

    verdict: str
    sides: tuple[str, ...]
    hashes: tuple[str, ...]


def read_decided_pairs(source: str | Path) -> Iterator[DecidedPair]:
    """Yield the decided pairs of a list; rows without a verdict, or with skip, are left out.

    The list is one that vecsim wrote, perhaps edited: decisions, marks of a report, or answers of
    the page for labelling. Raises `InputError`.
    """
    columns: _Columns | None = None
    for location, cells in read_cells(source):
        if columns is None:
            columns = _find_columns(list(cells), str(source))
        word = cells.get(columns.verdict, "").strip().casefold()
        if word not in _VERDICTS:
            raise InputError(
                f"{location}: {columns.verdict} is {word!r}; write same, different or skip."
            )
        if _VERDICTS[word]:
            yield _decided_pair(_VERDICTS[word], cells, columns, location)


def read_cells(source: str | Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the location and the cells, by the names of the columns, of each row of any list.

    Raises `InputError`, also for a broken row.
    """
    (name,) = check_exists(source)
    for location, (_, _, _, cells, _) in sound_rows(name, _DEFAULTS, _all_columns):
        yield location, cells


def _all_columns(start: ListStart, options: SourceOptions) -> ColumnLayout:
    """Make all columns fields of the rows."""
    return ColumnLayout(None, 0, {name: position for position, name in enumerate(start.names)})


def _find_columns(names: list[str], source: str) -> _Columns:
    verdict = next((name for name in _VERDICT_COLUMNS if name in names), None)
    sides = tuple(name[: -len("_id")] for name in names if name.endswith("_id"))[:2]
    if verdict is None or len(sides) < 2:
        raise InputError(
            f"{source}: this is no list of decisions. It needs a column verdict (or mark, or "
            f"answer) and two columns of ids, such as query_id and reference_id."
        )
    hashes = tuple(f"{side}_sha256" for side in sides)
    return _Columns(verdict, sides, hashes if all(name in names for name in hashes) else ())


def _decided_pair(
    verdict: str, cells: dict[str, str], columns: _Columns, location: str
) -> DecidedPair:
    one, other = columns.sides
    hashes = ("", "")
    if columns.hashes:
        first, second = (cells.get(name, "").strip().casefold() for name in columns.hashes)
        if first and second:
            hashes = (first, second)
    return DecidedPair(
        verdict,
        (_cell(cells, f"{one}_id"), _cell(cells, f"{other}_id")),
        (_cell(cells, f"{one}_url"), _cell(cells, f"{other}_url")),
        hashes,
        cells.get("decided_at", "").strip(),
        location,
    )


def _cell(cells: dict[str, str], column: str) -> str:
    """The id or URL in a column, as an index stores it."""
    return without_credentials(cells.get(column, ""))
