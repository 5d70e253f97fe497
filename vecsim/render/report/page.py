"""The page around the data: one HTML file whose own script and style are all that may run."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_DATA = "<!-- data -->"
_MARK = re.compile(r"\{(policy|style|title|facts)\}")
_UNSAFE = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}


def opening(title: str, facts: Sequence[str]) -> bytes:
    """Everything before the data. `title` and `facts` are text, not HTML."""
    values = {
        "policy": _policy(),
        "style": _asset("report.css"),
        "title": html.escape(title),
        "facts": "".join(f"<li>{html.escape(fact)}</li>" for fact in facts),
    }
    head = _asset("page.html").partition(_DATA)[0]
    return _MARK.sub(lambda mark: values[mark[1]], head).encode("utf-8", "backslashreplace")


def data_block(text: bytes) -> bytes:
    """JSON as an element that is never run, whatever its strings say."""
    for plain, escaped in _UNSAFE.items():
        text = text.replace(plain, escaped)
    return b'<script type="application/json" class="data">' + text + b"</script>\n"


def closing() -> bytes:
    """Everything after the data."""
    tail = _asset("page.html").partition(_DATA)[2]
    return tail.replace("{script}", _asset("report.js")).encode()


def _policy() -> str:
    """A content security policy: nothing is loaded, and no script runs but ours."""
    style, script = (_hash(_asset(name)) for name in ("report.css", "report.js"))
    return (
        f"default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; "
        f"base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
