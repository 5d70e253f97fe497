"""Lists of ids: which images of an index a list names, and which of them it says to keep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecsim.errors import InputError
from vecsim.sources.columns import SourceOptions, choose_id_columns
from vecsim.sources.reader import check_exists, read_rows, read_source, resolve
from vecsim.sources.text import open_list

_DEFAULTS = SourceOptions()


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
    rows = list(_rows(name, options))
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


def _rows(name: str, options: SourceOptions) -> Iterator[tuple[str, str | None, str]]:
    """Yield the id, the cell `keep` if there is one, and the location of each row."""
    with open_list(name, options.encoding, None) as text:
        for line, id_cell, url_cell, fields in read_rows(name, text, options, choose_id_columns):
            location = text.location(line)
            image_id = id_cell if id_cell.strip() else resolve(url_cell, text.folder)
            if not image_id:
                raise InputError(f"{location}: this row has no id.")
            keep = (cell for column, cell in fields.items() if column.casefold() == "keep")
            yield image_id, next(keep, None), location
