"""A look at the first reference of a stream that can be read only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from vecsim.records import ImageRef


def first_and_all(refs: Iterable[ImageRef]) -> tuple[list[str], Iterator[ImageRef]]:
    """The names of the first reference's fields, and all references, the first included."""
    stream = iter(refs)
    first = next(stream, None)
    if first is None:
        return [], iter(())
    return list(first.fields), chain([first], stream)
