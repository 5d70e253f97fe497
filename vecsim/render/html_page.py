"""Pages that are one HTML file: their own script and style are all that may run, nothing loads."""

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
_MARK = re.compile(r"\{(policy|style|title|facts)\}")
_UNSAFE = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page around data. Its parts are files of this package, styles and scripts in order."""

    frame: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...] = ()

    def opening(self, title: str, facts: Sequence[str]) -> bytes:
        """Everything before the data. `title` and `facts` are text, not HTML."""
        values = {
            "policy": self._policy(),
            "style": _joined(self.styles),
            "title": html.escape(title),
            "facts": "".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
        }
        head = _asset(self.frame).partition(_DATA)[0]
        return _MARK.sub(lambda mark: values[mark[1]], head).encode("utf-8", "backslashreplace")

    def closing(self) -> bytes:
        """Everything after the data."""
        tail = _asset(self.frame).partition(_DATA)[2]
        return tail.replace("{script}", _joined(self.scripts)).encode()

    def _policy(self) -> str:
        """A content security policy: nothing is loaded, and no script runs but ours."""
        script = f"'{_hash(_joined(self.scripts))}'" if self.scripts else "'none'"
        return (
            f"default-src 'none'; img-src data:; style-src '{_hash(_joined(self.styles))}'; "
            f"script-src {script}; base-uri 'none'; form-action 'none'"
        )


def data_block(text: bytes) -> bytes:
    """JSON as an element that is never run, whatever its strings say."""
    for plain, escaped in _UNSAFE.items():
        text = text.replace(plain, escaped)
    return b'<script type="application/json" class="data">' + text + b"</script>\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _joined(names: tuple[str, ...]) -> str:
    return "".join(map(_asset, names))


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text("utf-8")
