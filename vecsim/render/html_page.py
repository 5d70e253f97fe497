"""HTML pages in one file, with a content security policy that allows only their own script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

_DATA = "<!-- data -->"
_COMMON_STYLES = ("theme.css", "page.css")
_PLACEHOLDER = re.compile(r"\{(policy|style|title|facts|skip|content)\}")
_UNSAFE = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page with data in it: `assets/page.html` around a body.

    `body`, `styles`, `scripts`: files of `assets/`; `styles` are those besides the common ones.
    `skip_to`: id of the main element, to which the first link of the page jumps. `paged`: whether
    it shows a list in parts. `local_pictures`: whether the page may show picture files of this
    machine, which browsers allow only to a page that is itself opened from a file.
    """

    body: str | None
    styles: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    skip_to: str | None = None
    paged: bool = False
    local_pictures: bool = False

    def opening(self, title: str, facts: Sequence[str]) -> bytes:
        """Return everything before the data. `title` and `facts` are text, not HTML."""
        to = self.skip_to
        values = {
            "policy": self._policy(),
            "style": self._style(),
            "title": html.escape(title),
            "facts": "".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
            "skip": f'<a class="skip" href="#{to}">Skip to the {to}</a>\n' if to else "",
            "content": self.content(),
        }
        head = asset("page.html").partition(_DATA)[0]
        return _PLACEHOLDER.sub(lambda match: values[match[1]], head).encode(
            "utf-8", "backslashreplace"
        )

    def content(self) -> str:
        """Return the HTML below the heading: messages, the body, buttons that turn pages."""
        alerts = "alerts.html" if self.scripts else None
        pager = "pager.html" if self.paged else None
        return "".join(asset(name) for name in (alerts, self.body, pager) if name)

    def closing(self) -> bytes:
        """Return everything after the data."""
        script = f"<script>{_assets(self.scripts)}</script>\n" if self.scripts else ""
        return asset("page.html").partition(_DATA)[2].replace("{script}", script).encode()

    def _style(self) -> str:
        return _assets(_COMMON_STYLES + self.styles)

    def _policy(self) -> str:
        """Return the content security policy: only this page's script runs, and nothing is loaded
        from the network.
        """
        pictures = "data: file:" if self.local_pictures else "data:"
        script = f"'{_hash(_assets(self.scripts))}'" if self.scripts else "'none'"
        return (
            f"default-src 'none'; img-src {pictures}; style-src '{_hash(self._style())}'; "
            f"script-src {script}; base-uri 'none'; form-action 'none'"
        )


class PageWriter:
    """Writes a page: its opening, JSON blocks that its script reads, an end mark, its closing.

    Memory does not grow with the blocks.
    """

    def __init__(
        self, write: Callable[[bytes], object], page: Page, title: str, facts: Sequence[str]
    ) -> None:
        self._write = write
        self._page = page
        self._digest = hashlib.sha256()
        write(page.opening(title, facts))

    def write_block(self, value: Mapping[str, Any]) -> None:
        """Write a JSON object."""
        # ASCII with escapes: an id may contain a lone surrogate, which UTF-8 cannot encode.
        text = json.dumps(value, separators=(",", ":")).encode("ascii")
        self._digest.update(text)
        self._write(data_block(text))

    def finish(self, count: int, left_out: int) -> None:
        """Write the end mark; without it the page reports that the file is incomplete.

        `count`, `left_out`: of the pairs or groups of the page.
        """
        end = {"count": count, "left_out": left_out, "id": self._digest.hexdigest()[:16]}
        self.write_block({"end": end})
        self._write(self._page.closing())


def data_block(text: bytes) -> bytes:
    """Wrap JSON in a script element that browsers do not run; `<`, `>` and `&` are escaped."""
    for plain, escaped in _UNSAFE.items():
        text = text.replace(plain, escaped)
    return b'<script type="application/json" class="data">' + text + b"</script>\n"


def made_by() -> str:
    """Return which version made a page, and when."""
    from importlib.metadata import version

    return f"vecsim {version('vecsim')}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _assets(names: tuple[str, ...]) -> str:
    return "".join(map(asset, names))


@cache
def asset(name: str) -> str:
    """Return the text of a file of `assets/`."""
    return (files(__package__) / "assets" / name).read_text("utf-8")
