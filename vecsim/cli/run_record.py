"""A run of the command line: its id, its settings, what it did; the summary at its end."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vecsim.errors import StorageError
from vecsim.render.log_lines import new_run_id

SUMMARY_FORMAT = 1
"""Number of the format of summaries: raised when a field changes its meaning."""

_MOST_MESSAGES = 1_000
"""Messages that a summary repeats at most."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Options that every command takes. `level`, `file`, `format`: of the log. `summary`: a file.

    `level` and `format` are None unless given.
    """

    debug: bool = False
    quiet: bool = False
    level: str | None = None
    file: Path | None = None
    format: str | None = None
    summary: Path | None = None

    @property
    def is_logged(self) -> bool:
        """Whether lines of the log are written anywhere."""
        return self.format is not None or self.file is not None

    @property
    def has_lines_on_terminal(self) -> bool:
        """Whether standard error gets lines of the log in place of messages and progress."""
        return self.format is not None and self.file is None


@dataclass(slots=True)
class RunRecord:
    """A run of one command. `facts`: what it did, for the summary, by name."""

    id: str
    command: str = ""
    settings: RunSettings = RunSettings()
    facts: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, str] | None = None
    started: float = field(default_factory=time.time)
    _began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return round(time.monotonic() - self._began, 3)

    def add(self, name: str, fact: object) -> None:
        """Append a fact to the list `name` of the summary."""
        self.facts.setdefault(name, []).append(fact)

    def remember(self, text: str, level: int) -> None:
        """Keep a message for the summary."""
        if len(self.messages) < _MOST_MESSAGES:
            self.messages.append({"level": logging.getLevelName(level), "text": text})

    def write_summary(self, status: int | None) -> None:
        """Write the summary, if one was asked for. `status`: None while the run goes on.

        Raises `StorageError`.
        """
        file = self.settings.summary
        if file is None:
            return
        from vecsim.cli.exit_status import meaning_of
        from vecsim.files import new_output

        text = json.dumps(self._summary(status, meaning_of(status)), indent=2, default=str)
        try:
            with new_output(file) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            self.settings = replace(self.settings, summary=None)
            raise StorageError(
                f"{file}: the summary cannot be written ({error.strerror})."
            ) from error

    def _summary(self, status: int | None, result: str) -> dict[str, Any]:
        from importlib.metadata import version

        ended = None if status is None else _moment(self.started + self.seconds)
        return {
            "format": SUMMARY_FORMAT,
            "vecsim": version("vecsim"),
            "run": self.id,
            "command": self.command,
            "process": os.getpid(),
            "started": _moment(self.started),
            "ended": ended,
            "seconds": self.seconds,
            "status": status,
            "result": result,
            "error": self.error,
            "facts": self.facts,
            "messages": self.messages,
        }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


_current = RunRecord("")


def begin_run() -> RunRecord:
    """Make a run, which `current_run` returns until the next one; raises `UsageError`."""
    global _current
    _current = RunRecord("")
    _current.id = new_run_id(os.environ.get("VECSIM_RUN_ID"))
    return _current


def current_run() -> RunRecord:
    """Return this run."""
    return _current
