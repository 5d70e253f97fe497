"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a topic. `advice` says what to do; where there is none, all is well."""

    topic: str
    text: str
    advice: str = ""

    @property
    def status(self) -> str:
        """Either "ok" or "warning"."""
        return "warning" if self.advice else "ok"
