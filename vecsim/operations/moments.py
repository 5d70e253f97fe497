"""Moments as people write them, in the form in which the catalog compares them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from vecsim.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, now: datetime | None = None) -> str:
    """A date, a date and time (local unless it names its zone) or a span before now: 36h, 7d.

    Returns UTC in ISO 8601. Raises `UsageError`.
    """
    span = re.fullmatch(r"\s*(\d+)\s*([mhdw])\s*", text)
    try:
        if span:
            ago = timedelta(**{_UNITS[span[2]]: int(span[1])})
            moment = (now or datetime.now(UTC)) - ago
        else:
            moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no moment: write 2026-01-31, 2026-01-31T08:00 or a span such as 36h, 7d."
        ) from error
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
