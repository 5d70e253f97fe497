"""Log records as lines of text or JSON, each with the id of the run that wrote it.

A record may carry facts, `extra={"facts": {…}}`: values by name, which follow the message.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from vecsim.errors import UsageError
from vecsim.render.terminal import clean_text

LOG_FORMATS = ("text", "json")

_PLAIN = re.compile(r"[^\s\"'=]+")
_RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def new_run_id(wanted: str | None = None) -> str:
    """Return an id for this run: `wanted`, or twelve random hexadecimal digits.

    Raises `UsageError` if `wanted` has other characters than letters, digits and ". _ : -".
    """
    if not wanted:
        return os.urandom(6).hex()
    if not _RUN_ID.fullmatch(wanted):
        raise UsageError(
            f"{wanted!r} is no id of a run: use up to 64 letters, digits, dots, colons and hyphens."
        )
    return wanted


class LogLines(logging.Formatter):
    """Formats a record as one line. `run`: the id of the run, which stands in every line."""

    def __init__(self, format_: str, run: str) -> None:
        """`format_`: one of `LOG_FORMATS`."""
        super().__init__()
        self._run = run
        self._line = {"text": self._text_line, "json": self._json_line}[format_]

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without control characters and line ends."""
        facts: Mapping[str, object] = getattr(record, "facts", None) or {}
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return self._line(record, moment.replace("+00:00", "Z"), facts)

    def _text_line(
        self, record: logging.LogRecord, moment: str, facts: Mapping[str, object]
    ) -> str:
        shown = [f"{name}={_value(value)}" for name, value in facts.items()]
        head = f"{moment} {record.levelname} run={self._run} {record.name}:"
        lines = [" ".join([head, record.getMessage(), *shown])]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        text = "\n".join(lines).replace("\r", "\\r").replace("\n", "\\n")
        return clean_text(text)

    def _json_line(
        self, record: logging.LogRecord, moment: str, facts: Mapping[str, object]
    ) -> str:
        line = {
            "time": moment,
            "level": record.levelname,
            "run": self._run,
            "logger": record.name,
            "message": record.getMessage(),
            **facts,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def _value(value: object) -> str:
    """Return a value of a text line: in quotation marks if it is not one plain word."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
