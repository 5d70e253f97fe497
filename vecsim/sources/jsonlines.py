"""JSON lines: one object a line, its keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from vecsim.errors import InputError
from vecsim.sources.columns import Row, choose
from vecsim.sources.options import SourceOptions
from vecsim.sources.text import Text

# Numbers keep the spelling they have: 1.10 stays 1.10, and 20 digits stay 20 digits …
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_NESTED = (dict, list)
_SUSPECT = re.compile(r"\\u(0000|[dD][89a-fA-F])")  # escapes that CSV could not have smuggled in


def read_json_lines(text: Text, options: SourceOptions) -> Iterator[Row]:
    """Read the objects of `text`; blank lines are left out.

    The first object decides which keys are meant, as a header does. A later one may lack some.
    """
    id_key: str | None = None
    url_key = ""
    wanted: set[str] | None = None
    dropped: set[str] = set()
    for line, raw in enumerate(text.lines, 1):
        if not raw.strip():
            continue
        values = _object(text, line, raw)
        if not url_key:
            names = list(values)
            if not names:
                raise InputError(f'{text.at(line)}: the object is empty; it needs a key "url".')
            layout = choose(names, replace(options, header=True), text.at(line))
            url_key = names[layout.url]
            # An id may be missing in the first object and present in others.
            id_key = names[layout.id] if layout.id is not None else "id"
            wanted = set(layout.carried) if options.columns is not None else None
            dropped = set(names) - set(layout.carried)
        fields = {
            name: value
            for name, value in values.items()
            if name not in dropped and name not in (id_key, url_key)
            if wanted is None or name in wanted
        }
        yield line, values.get(id_key or "", ""), values.get(url_key, ""), fields


def _object(text: Text, line: int, raw: str) -> dict[str, str]:
    if raw.lstrip().startswith("["):
        raise InputError(
            f"{text.at(line)} begins an array. JSON lines have one object on each line; "
            "jq -c '.[]' makes them from an array."
        )
    try:
        parsed = _DECODER.decode(raw)
        if not isinstance(parsed, dict):
            raise ValueError("a value, not an object")
        if any(isinstance(value, _NESTED) for value in parsed.values()):
            # … but not inside nested values, which are carried as JSON text.
            whole = json.loads(raw)
            parsed |= {name: value for name, value in whole.items() if isinstance(value, _NESTED)}
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{text.at(line)} is not a JSON object ({error}). JSON lines have one object on each "
            'line: {"id": "1", "url": "https://…"}'
        ) from error
    values = {name: _as_text(value) for name, value in parsed.items()}
    if _SUSPECT.search(raw):
        _refuse_unstorable(text, line, values)
    return values


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)


def _refuse_unstorable(text: Text, line: int, values: dict[str, str]) -> None:
    """Refuse what no file name, no URL and no UTF-8 output can hold."""
    whole = "\n".join([*values, *values.values()])
    if "\0" in whole:
        raise InputError(f"{text.at(line)} holds a NUL character (\\u0000): leave it out.")
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{text.at(line)} holds half a character (a lone surrogate such as \\ud83d): "
            "write the character whole."
        ) from error
