"""What a notebook shows: progress as a bar, and images side by side as HTML.

Only what Jupyter and IPython offer to every program is used, so that nothing more is installed.
"""

from __future__ import annotations

import base64
import html
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from vecsim.records import media_type
from vecsim.render.progress import Progress, describe
from vecsim.render.report import link_to
from vecsim.render.terminal import clean_text

_INTERVAL = 0.2  # seconds
_LONGEST = 28  # characters of an id
_ROW = "display:flex;flex-wrap:wrap;gap:12px;align-items:center;margin:6px 0"
_CARD = "display:flex;flex-direction:column;align-items:center;max-width:170px"
_PICTURE = "max-width:120px;max-height:120px"
_EMPTY = "display:inline-block;width:90px;padding:36px 0;border:1px dashed;text-align:center"


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


# -- images side by side -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """An image as a notebook shows it: its id, URL, thumbnail (may be empty) and a remark."""

    id: str
    url: str
    thumbnail: bytes
    remark: str = ""


def cards_html(title: str, rows: Iterable[tuple[str, Sequence[Card]]], more: str = "") -> str:
    """Return rows of images side by side as HTML, each with its label; all text is escaped.

    `more`: a remark below, where rows are left out.
    """
    parts = [f"<div><p>{html.escape(title)}</p>"]
    for label, cards in rows:
        parts.append(f'<div style="{_ROW}">')
        if label:
            parts.append(f'<code style="min-width:6em">{html.escape(label)}</code>')
        parts += [*map(_card_html, cards), "</div>"]
    parts.append(f"<p>{html.escape(more)}</p></div>" if more else "</div>")
    return clean_text("".join(parts))


def _card_html(card: Card) -> str:
    shown = card.id if len(card.id) <= _LONGEST else f"{card.id[: _LONGEST - 1]}…"
    picture = f'<span style="{_EMPTY}">no thumbnail</span>'
    if card.thumbnail:
        data, kind = base64.b64encode(card.thumbnail).decode("ascii"), media_type(card.thumbnail)
        picture = f'<img alt="" style="{_PICTURE}" src="data:{kind};base64,{data}">'
    link = link_to(card.url)
    if link.startswith("http"):
        picture = f'<a href="{html.escape(link)}" rel="noreferrer">{picture}</a>'
    text = f'<span title="{html.escape(card.id)}">{html.escape(shown)}</span>'
    remark = f"<small>{html.escape(card.remark)}</small>" if card.remark else ""
    return f'<div style="{_CARD}">{picture}{text}{remark}</div>'
