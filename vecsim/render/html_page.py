"""HTML pages in one file, with a content security policy that allows only their own script."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_DATA = "<!-- data -->"
_COMMON_STYLES = ("theme.css", "page.css")
_PLACEHOLDER = re.compile(r"\{(policy|style|title|facts|brand|review)\}")
_UNSAFE = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page with data in it. `frame`, `styles` and `scripts` are files of `assets/`.

    `styles`: besides those that all pages have. `local_pictures`: whether the page may show picture
    files of this machine, which browsers allow only to a page that is itself opened from a file.
    """

    frame: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...] = ()
    local_pictures: bool = False

    def opening(self, title: str, facts: Sequence[str]) -> bytes:
        """Return everything before the data. `title` and `facts` are text, not HTML."""
        values = {
            "policy": self._policy(),
            "style": self._style(),
            "brand": asset("brand.html"),
            "review": asset("review_body.html"),
            "title": html.escape(title),
            "facts": "".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
        }
        head = asset(self.frame).partition(_DATA)[0]
        return _PLACEHOLDER.sub(lambda match: values[match[1]], head).encode(
            "utf-8", "backslashreplace"
        )

    def closing(self) -> bytes:
        """Return everything after the data."""
        tail = asset(self.frame).partition(_DATA)[2]
        return tail.replace("{script}", _assets(self.scripts)).encode()

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


def data_block(text: bytes) -> bytes:
    """Wrap JSON in a script element that browsers do not run; `<`, `>` and `&` are escaped."""
    for plain, escaped in _UNSAFE.items():
        text = text.replace(plain, escaped)
    return b'<script type="application/json" class="data">' + text + b"</script>\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _assets(names: tuple[str, ...]) -> str:
    return "".join(map(asset, names))


@cache
def asset(name: str) -> str:
    """Return the text of a file of `assets/`."""
    return (files(__package__) / "assets" / name).read_text("utf-8")
