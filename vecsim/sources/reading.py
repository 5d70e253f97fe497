"""What a reading of sources is told beside their options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from vecsim.source_notes import SourceNotes


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read, this time.

    `notes`: collects what a user should know. `stdin`: what `-` stands for; None is the standard
    input. `stopped`: asked now and then; once it says so, the reading ends with `StoppedError`.
    `may_be_empty`: a folder without images is no error. `fetched`: the images will be fetched, so
    that a list whose URLs cannot be URLs is refused.
    """

    notes: SourceNotes = field(default_factory=SourceNotes)
    stdin: IO[bytes] | None = None
    stopped: Callable[[], bool] = lambda: False
    may_be_empty: bool = False
    fetched: bool = True

    @property
    def standard_input(self) -> IO[bytes]:
        """The stream that `-` stands for."""
        return self.stdin or sys.stdin.buffer
