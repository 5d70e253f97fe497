"""What stands above a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportHead:
    """What a report says of itself.

    `facts`: short remarks below the title. `itself`: one set matched with itself, so that queries
    and references are the same images. `group`: "query", "component" or "none", as the page opens.
    `names`: what the two sides are called, also in the columns of what the page exports.
    """

    title: str
    facts: Sequence[str] = ()
    query_fields: Sequence[str] = ()
    reference_fields: Sequence[str] = ()
    itself: bool = False
    group: str = "query"
    names: tuple[str, str] = ("query", "reference")
