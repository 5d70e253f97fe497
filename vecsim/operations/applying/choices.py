"""Reads lists that say, for each image of a group, whether to keep it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecsim.errors import InputError
from vecsim.hints import Action, Hint
from vecsim.sources.columns import ListRow, SourceOptions
from vecsim.sources.delimited import read_delimited
from vecsim.sources.jsonlines import read_json_lines
from vecsim.sources.text import open_list

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OPTIONS = SourceOptions()


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether to keep an image of a group. `location`: where this was read, for messages.

    `url` may be empty: then the index alone says where the image is.
    """

    id: str
    url: str
    group: str
    keep: bool
    location: str = ""


def read_choices(source: str | Path) -> list[Choice]:
    """Read a CSV, TSV or JSON lines file with the columns id, group and keep (yes or no).

    Raises `InputError` for a file without these columns and for other values of `keep`.
    """
    name = os.fspath(source)
    with open_list(name, None, None) as text:
        is_json = name.lower().endswith(_JSON_SUFFIXES)
        read = read_json_lines if is_json else read_delimited
        return list(_choices(name, ((text.location(row[0]), row) for row in read(text, _OPTIONS))))


def _choices(name: str, rows: Iterator[tuple[str, ListRow]]) -> Iterator[Choice]:
    for location, (_, id_cell, url_cell, fields) in rows:
        if "keep" not in fields or "group" not in fields:
            raise _not_a_list_of_choices(name, fields)
        image_id = id_cell if id_cell.strip() else url_cell
        if not image_id.strip():
            raise InputError(f"{location}: this row names no image.")
        keep = fields["keep"].strip().casefold()
        if keep not in ("yes", "no"):
            raise InputError(f"{location}: keep is {fields['keep']!r}; write yes or no.")
        yield Choice(image_id, url_cell.strip(), fields["group"].strip(), keep == "yes", location)


def _not_a_list_of_choices(name: str, fields: dict[str, str]) -> InputError:
    sides = [field for field in fields if field.casefold().endswith("_id")]
    if len(sides) > 1:
        return InputError(
            f"{name}: this list has pairs of images ({sides[0]}, {sides[1]}), and does not say "
            f"which of the two to give up.",
            hint=Hint(Action.LIST_GROUPS),
        )
    return InputError(
        f"{name}: needs the columns id, group and keep, as a list of groups has them.",
        hint=Hint(Action.LIST_GROUPS),
    )
