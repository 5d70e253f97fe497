"""How far a run is, by the clock or by steps, and the learning rate that follows from it."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

WARM_UP = 100  # steps
LEAST_RATE = 0.01  # of the peak, at the end


@dataclass(slots=True)
class Schedule:
    """Progress of a run, 0 to 1; ends after `seconds`, or after `steps` where they are given.

    A file `deadline` in the run's folder (a Unix time) replaces `seconds`; it may be changed
    while the run goes on. `spent`: seconds that earlier processes of the same run took.
    """

    folder: Path
    seconds: float
    steps: int | None
    spent: float = 0.0
    started: float = field(default_factory=time.time)

    def elapsed(self) -> float:
        """Seconds of training so far, those of earlier processes included."""
        return self.spent + time.time() - self.started

    def progress(self, step: int) -> float:
        """Share of the run that is done; 1 or more: stop."""
        if self.steps is not None:
            return step / self.steps
        seconds = self.seconds
        try:
            deadline = float((self.folder / "deadline").read_text())
            seconds = self.spent + deadline - self.started
        except (OSError, ValueError):
            pass
        return self.elapsed() / max(seconds, 1e-9)


def learning_rate(peak: float, step: int, progress: float) -> float:
    """Linear warm-up, then half a cosine down to LEAST_RATE of the peak."""
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return peak * min(1.0, (step + 1) / WARM_UP) * (LEAST_RATE + (1 - LEAST_RATE) * fall)
