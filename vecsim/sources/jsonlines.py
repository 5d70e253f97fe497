"""JSON lines: one object on each line, whose keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from vecsim.errors import InputError
from vecsim.sources.columns import LayoutChooser, ListRow, SourceOptions, choose_columns
from vecsim.sources.text import ListText

# Numbers outside nested values keep their spelling: 1.10 stays 1.10, and 20 digits stay 20 digits.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_NESTED = (dict, list)
_SUSPECT_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])")
"""JSON escapes of characters that a CSV in UTF-8 cannot contain: NUL and surrogates."""


@dataclass(frozen=True, slots=True)
class _KeyLayout:
    """Which keys of the objects are meant. `kept`: the fields to keep, None for all but `dropped`.

    `id` may be missing in the first object and present in others.
    """

    id: str
    url: str
    kept: frozenset[str] | None
    dropped: frozenset[str]

    def row(self, line: int, values: dict[str, str]) -> ListRow:
        """Return the row of `values`, the object on `line`."""
        fields = {
            name: value
            for name, value in values.items()
            if name not in (self.id, self.url) and name not in self.dropped
            if self.kept is None or name in self.kept
        }
        return line, values.get(self.id, ""), values.get(self.url, ""), fields


def read_json_lines(
    text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the objects of `text`, without blank lines.

    The first object decides which keys are meant, as a header does. Later ones may lack some.
    Raises `InputError` for a line that is not an object, or that holds characters which cannot be
    stored.
    """
    layout: _KeyLayout | None = None
    for line, raw in enumerate(text.lines, 1):
        if not raw.strip():
            continue
        values = _parse_object(text.location(line), raw)
        if layout is None:
            layout = _choose_keys(list(values), options, text.location(line), choose)
        yield layout.row(line, values)


def _choose_keys(
    names: list[str], options: SourceOptions, location: str, choose: LayoutChooser
) -> _KeyLayout:
    if not names:
        raise InputError(f'{location}: the object is empty; it needs a key "url".')
    columns = choose(names, replace(options, header=True), location)
    fields = frozenset(columns.fields)
    return _KeyLayout(
        id=names[columns.id] if columns.id is not None else "id",
        url=names[columns.url],
        kept=fields if options.columns is not None else None,
        dropped=frozenset(names) - fields,
    )


def _parse_object(location: str, raw: str) -> dict[str, str]:
    if raw.lstrip().startswith("["):
        raise InputError(
            f"{location} begins an array. JSON lines have one object on each line; "
            "jq -c '.[]' makes them from an array."
        )
    try:
        parsed = _DECODER.decode(raw)
        if not isinstance(parsed, dict):
            raise ValueError("a value, not an object")
        if any(isinstance(value, _NESTED) for value in parsed.values()):
            # Nested values are kept as JSON text, in which numbers must not become strings.
            whole = json.loads(raw)
            parsed |= {name: value for name, value in whole.items() if isinstance(value, _NESTED)}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{location} is not a JSON object ({error}). JSON lines have one object on each "
            'line: {"id": "1", "url": "https://…"}'
        ) from error
    values = {name: _as_text(value) for name, value in parsed.items()}
    if _SUSPECT_ESCAPE.search(raw):
        _check_storable(location, values)
    return values


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)


def _check_storable(location: str, values: dict[str, str]) -> None:
    """Raise `InputError` for characters that no file name, URL or UTF-8 output can contain."""
    whole = "\n".join([*values, *values.values()])
    if "\0" in whole:
        raise InputError(f"{location} holds a NUL character (\\u0000): leave it out.")
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{location} holds half a character (a lone surrogate such as \\ud83d): "
            "write the character whole."
        ) from error
