"""JSON lines, and a JSON array: objects whose keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

from vecsim.errors import InputError
from vecsim.sources.columns import LayoutChooser, ListRow, choose_columns
from vecsim.sources.list_start import ListStart
from vecsim.sources.options import SourceOptions
from vecsim.sources.text import MAX_LINE, ListText

# Numbers outside nested values keep their spelling: 1.10 stays 1.10, and 20 digits stay 20 digits.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_NESTED = frozenset((dict, list))
_SAMPLE = 20
_SPACE = re.compile(r"[\s,]*")
_SUSPECT_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])")
"""JSON escapes of characters that a CSV in UTF-8 cannot contain: NUL and surrogates."""

Record: TypeAlias = tuple[int, dict[str, str], str]
"""Line, values by key, and what is wrong: empty for a sound object."""


@dataclass(frozen=True, slots=True)
class _KeyLayout:
    """Which keys of the objects are meant. `kept`: the fields to keep, None for all but `others`.

    `id` may be missing in the first object and present in others. `others`: keys of no field, among
    them those of the id and the URLs.
    """

    id: str
    urls: tuple[str, ...]
    kept: frozenset[str] | None
    others: frozenset[str]

    def row(self, line: int, values: dict[str, str]) -> ListRow:
        """Return what `values`, the object on `line`, says."""
        others, kept = self.others, self.kept
        fields = {name: value for name, value in values.items() if name not in others}
        if kept is not None:
            fields = {name: value for name, value in fields.items() if name in kept}
        urls = [values.get(name, "") for name in self.urls]
        return line, values.get(self.id, ""), urls, fields, ""


def read_json(
    text: ListText, options: SourceOptions, choose: LayoutChooser = choose_columns
) -> Iterator[ListRow]:
    """Yield the objects of `text`, without blank lines; broken ones say what is wrong.

    The first objects decide which keys are meant, as a header does. Later ones may lack some.
    Raises `InputError` if no object at the start is sound.
    """
    is_array = text.head.lstrip().startswith("[")
    records = _array(text) if is_array else _lines(text)
    start = list(islice(records, _SAMPLE))
    sound = [values for _, values, problem in start if not problem]
    if not sound:
        if start:
            line, _, problem = start[0]
            raise InputError(f"{text.location(line)}: {problem}.")
        return
    layout = _choose_keys(sound, options, text, start[0][0], choose)
    for line, values, problem in chain(start, records):
        if problem:
            yield line, "", (), {}, problem
        else:
            yield layout.row(line, values)


def _choose_keys(
    objects: list[dict[str, str]],
    options: SourceOptions,
    text: ListText,
    line: int,
    choose: LayoutChooser,
) -> _KeyLayout:
    # An early object may lack a key that the others have.
    names = list(dict.fromkeys(name for values in objects for name in values))
    location = text.location(line)
    if not names:
        raise InputError(f'{location}: the object is empty; it needs a key "url".')
    if len(objects) == 1 and all(value.startswith("{") for value in objects[0].values()):
        raise InputError(
            f"{location}: one object with a column under each key. Write one object for each image."
        )
    rows = [[values.get(name, "") for name in names] for values in objects]
    start = ListStart(
        names, rows, location, True, text.folder, text.reading.fetched, text.reading.notes
    )
    columns = choose(start, options)
    fields = frozenset(columns.fields)
    id_name = names[columns.id] if columns.id is not None else "id"
    urls = tuple(names[position] for position in columns.urls)
    return _KeyLayout(
        id=id_name,
        urls=urls,
        kept=fields if options.columns is not None else None,
        others=(frozenset(names) - fields) | {id_name, *urls},
    )


def _lines(text: ListText) -> Iterator[Record]:
    """Yield one object for each line."""
    for line, raw in enumerate(text.lines, 1):
        if not raw.strip():
            continue
        if text.flaws and line in text.flaws:
            yield line, {}, text.flaws.pop(line)
            continue
        try:
            yield line, _values(_DECODER.decode(raw), raw), ""
        except _UnsoundError as error:
            yield line, {}, str(error)
        except (ValueError, RecursionError) as error:
            yield (
                line,
                {},
                (
                    f"no JSON object ({error}). JSON lines have one object on each line: "
                    '{"id": "1", "url": "https://…"}'
                ),
            )


def _array(text: ListText) -> Iterator[Record]:
    """Yield the objects of an array, reading as much of it as one object needs.

    Behind an object that cannot be read, it is not known where the next one begins: the array ends
    there.
    """
    rest, line = "", 1
    while "[" not in rest and (part := next(text.parts, "")):
        rest += part
    line += rest.count("\n", 0, rest.find("["))
    rest = rest[rest.find("[") + 1 :]
    is_end = False
    while True:
        begin = _SPACE.match(rest)
        end = begin.end() if begin else 0
        line += rest.count("\n", 0, end)
        rest = rest[end:]
        if rest.startswith("]"):
            return
        try:
            parsed, end = _DECODER.raw_decode(rest)
        except RecursionError:
            yield line, {}, "nested too deeply: the list ends here"
            return
        except ValueError as error:
            more = "" if len(rest) > MAX_LINE else _at_least(text.parts, len(rest))
            is_end = not more
            rest += more
            if is_end:
                yield line, {}, f"no JSON array: the list ends here ({error})"
                return
            continue
        raw = rest[:end]
        try:
            yield line, _values(parsed, raw), ""
        except (_UnsoundError, ValueError, RecursionError) as error:
            yield line, {}, str(error)
        line += raw.count("\n")
        rest = rest[end:]


def _at_least(parts: Iterator[str], count: int) -> str:
    """Return the next pieces, together `count` characters or more; fewer at the end."""
    more = ""
    while len(more) <= count and (part := next(parts, "")):
        more += part
    return more


class _UnsoundError(Exception):
    """A value that is not an object whose values can be stored; the text says why."""


def _values(parsed: object, raw: str) -> dict[str, str]:
    """Return the values of a parsed object as text. Raises `_UnsoundError`, `RecursionError`."""
    if not isinstance(parsed, dict):
        raise ValueError("a value, not an object")
    if not _NESTED.isdisjoint(map(type, parsed.values())):
        # Nested values are kept as JSON text, in which numbers must not become strings.
        whole = json.loads(raw)
        parsed |= {name: value for name, value in whole.items() if type(value) in _NESTED}
    values = {
        name: value if isinstance(value, str) else _as_text(value) for name, value in parsed.items()
    }
    if not raw.isascii() or _SUSPECT_ESCAPE.search(raw):
        _check_storable(values)
    return values


def _as_text(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _check_storable(values: dict[str, str]) -> None:
    """Raise `_UnsoundError` for characters that no file name, URL or UTF-8 output can contain."""
    whole = "\n".join([*values, *values.values()])
    if "\0" in whole:
        raise _UnsoundError("a NUL character (\\u0000): leave it out")
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise _UnsoundError(
            "half a character (a lone surrogate such as \\ud83d): write the character whole"
        ) from error
