"""What a notebook shows: progress as a bar, and images side by side as HTML.

Only what Jupyter and IPython offer to every program is used, so that nothing more is installed.
"""

from __future__ import annotations

import html
import sys
import time
import uuid
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from vecsim.render.progress import Progress, describe

_INTERVAL = 0.2  # seconds


class NotebookProgress:
    """Shows the progress of a run in the cell of a notebook; has the members of `Progress`."""

    def __init__(self, shell: Any, total: int | None = None) -> None:
        """`shell`: IPython's, of the notebook."""
        self.total = total
        self._shell = shell
        self._id = uuid.uuid4().hex
        self._began = self._next = time.monotonic()
        self._latest = (0, 0, 0)

    def __enter__(self) -> NotebookProgress:
        """Show the bar."""
        self._show(update=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the last counts, which stay."""
        self._show()

    def update(self, done: int, failed: int = 0, skipped: int = 0) -> None:
        """Set how many images are done, failed and skipped so far (counts, not increments)."""
        self._latest = (done, failed, skipped)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._show()

    def _show(self, *, update: bool = True) -> None:
        seen = sum(self._latest)
        rate = seen / max(time.monotonic() - self._began, 1e-9)
        line = describe(*self._latest, self.total, rate)
        value = "" if self.total is None else f' value="{seen}" max="{max(self.total, 1)}"'
        self._shell.display_pub.publish(
            {
                "text/plain": line,
                "text/html": f"<progress{value}></progress> <code>{html.escape(line)}</code>",
            },
            transient={"display_id": self._id},
            update=update,
        )


def open_progress() -> AbstractContextManager[Any]:
    """Return a display of progress: in the cell of a notebook, else on standard error."""
    shell = notebook_shell()
    return Progress() if shell is None else NotebookProgress(shell)


def notebook_shell() -> Any:
    """Return IPython's shell where this process is the kernel of a notebook, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None
