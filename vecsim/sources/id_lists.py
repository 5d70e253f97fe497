"""Lists that name images of an index: ids, or pairs about which a person decided."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vecsim.errors import InputError
from vecsim.sources.columns import ColumnLayout, SourceOptions, choose_id_columns
from vecsim.sources.reader import check_exists, read_rows, read_source, resolve
from vecsim.sources.text import open_list
from vecsim.urls import without_credentials

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


@dataclass(frozen=True, slots=True)
class IdList:
    """The ids of a list, each once, in its order. `kept`: those whose row says keep=yes."""

    ids: list[str]
    kept: list[str]


def read_ids(source: str | Path, options: SourceOptions = _DEFAULTS) -> IdList:
    """Read the ids that `source` lists; with a column `keep`, the rows with yes are `kept`.

    A list of ids needs no URLs. In a list without ids, and in a folder, the URLs are the ids.
    Raises `InputError`, also for an id that is listed with keep=yes and with keep=no.
    """
    name = check_exists(source)
    if name != "-" and os.path.isdir(name):
        return IdList([ref.id for ref in read_source(name)], [])
    rows = list(_id_rows(name, options))
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


def _id_rows(name: str, options: SourceOptions) -> Iterator[tuple[str, str | None, str]]:
    """Yield the id, the cell `keep` if there is one, and the location of each row."""
    with open_list(name, options.encoding, None) as text:
        for line, id_cell, url_cell, fields in read_rows(name, text, options, choose_id_columns):
            location = text.location(line)
            named = id_cell if id_cell.strip() else resolve(url_cell, text.folder)
            image_id = without_credentials(named)
            if not image_id:
                raise InputError(f"{location}: this row has no id.")
            keep = (cell for column, cell in fields.items() if column.casefold() == "keep")
            yield image_id, next(keep, None), location


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
    name = check_exists(source)
    columns: _Columns | None = None
    with open_list(name, None, None) as text:
        for line, _, _, cells in read_rows(name, text, _DEFAULTS, _all_columns):
            location = text.location(line)
            if columns is None:
                columns = _find_columns(list(cells), name)
            word = cells.get(columns.verdict, "").strip().casefold()
            if word not in _VERDICTS:
                raise InputError(
                    f"{location}: {columns.verdict} is {word!r}; write same, different or skip."
                )
            if _VERDICTS[word]:
                yield _decided_pair(_VERDICTS[word], cells, columns, location)


def _all_columns(names: Sequence[str], options: SourceOptions, location: str) -> ColumnLayout:
    """Make all columns fields of the rows."""
    return ColumnLayout(None, 0, {name: position for position, name in enumerate(names)})


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
