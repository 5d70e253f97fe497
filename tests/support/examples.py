"""Runs the fenced blocks of a page one after another, in an empty home, without the internet.

The language of a block decides how it is run: `python` runs in this process; `console` has lines
that begin with `$`, which bash runs, and below them their output; a block with `title="NAME"` is
written to that file instead. `sh` repeats the README, which CI runs. `text`, `diff`, `mermaid` are
not run.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from support.commands import without_progress

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "demo" / "images"
READ_ONLY = {"text", "diff", "mermaid", "nginx"}

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_SCORE = re.compile(r"\d\.\d{6}\b")
_NEAR = 0.0005
_END = "=== end of command, status "


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line, language, file name (or "") and text."""

    line: int
    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            assert token.map is not None
            found.append(
                Block(token.map[0] + 1, language, title[1] if title else "", token.content)
            )
    return found


class Runner:
    """Runs blocks in the folder `home`, in which they share files and Python names."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._names: dict[str, Any] = {"__name__": "example"}

    def run(self, page: Path, block: Block) -> None:
        """Run one block; raises AssertionError with its position if the output differs."""
        place = f"{page.relative_to(ROOT)} line {block.line}"
        if block.title:
            file = self._home / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            code = compile("\n" * block.line + block.text, str(page), "exec")
            exec(code, self._names)
        elif block.language == "console":
            self._console(place, block.text)
        elif block.language == "sh":
            readme = (ROOT / "README.md").read_text(encoding="utf-8")
            assert block.text in readme, f"{place}: only what CI takes from the README may be sh"
        else:
            assert block.language in READ_ONLY, (
                f"{place}: the language {block.language!r} is not supported"
            )

    def _console(self, place: str, text: str) -> None:
        steps = _steps(text)
        assert steps, f"{place}: no line begins with $"
        # One shell, so that a variable and $? last from one command to the next.
        script = "".join(
            f"{command}\nstatus=$?; echo; echo '{_END}'$status; (exit $status)\n"
            for command, _ in steps
        )
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        told = re.split(rf"\n{_END}(\d+)\n", ran.stdout)
        outputs, ends = told[0:-1:2], told[1::2]
        assert len(ends) == len(steps), f"{place}: bash ended early:\n{ran.stdout}"
        checker = doctest.OutputChecker()
        asks = [command == "echo $?" for command, _ in steps[1:]] + [False]
        for (command, want), got, status, asked in zip(steps, outputs, ends, asks, strict=True):
            shown = without_progress(got).replace(str(self._home), "/home/anna")
            where = f"{place}: $ {command}\n{shown}"
            assert status == "0" or asked, f"{where}\nended with {status}"
            if want:
                shown = _with_scores_of(want, shown)
                assert checker.check_output(want, shown, _FLAGS), f"{where}\nwas to print\n{want}"


def _with_scores_of(want: str, got: str) -> str:
    """`got` with the scores of `want` where they differ only in the last digits (other CPUs)."""
    wanted, found = (_SCORE.findall(text) for text in (want, got))
    if len(wanted) != len(found):
        return got
    near = iter(
        w if abs(float(w) - float(f)) < _NEAR else f for w, f in zip(wanted, found, strict=True)
    )
    return _SCORE.sub(lambda _: next(near), got)


def _steps(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with its output."""
    steps: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            steps.append((line[2:].rstrip("\n"), ""))
        elif line.startswith("> ") and steps and not steps[-1][1]:
            steps[-1] = (f"{steps[-1][0]}\n{line[2:].rstrip()}", "")
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line)
    return steps


class _Shop(BaseHTTPRequestHandler):
    """An HTTP proxy that answers all requests itself: with the demo's pictures, else with 404."""

    def do_GET(self) -> None:
        picture = PICTURES / self.path.rpartition("/")[2]
        found = picture.is_file()
        body = picture.read_bytes() if found else b"nothing here"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "image/jpeg" if found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.send_error(403)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def shop() -> Iterator[str]:
    """The address of a proxy through which http://ANY.example/1.jpg is the demo's picture 1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def environment(home: Path, proxy: str, programs: Path) -> dict[str, str]:
    """The environment of a new user: nothing configured, no weights, no access to the internet."""
    for name, words in [("vecsim", "-m vecsim"), ("python", ""), ("python3", "")]:
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VECSIM_") and not name.lower().endswith("_proxy")
    }
    return kept | {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "KERAS_HOME": str(home / ".keras"),
        "VECSIM_CACHE": str(programs / "cache"),
        "CUDA_VISIBLE_DEVICES": "-1",
        "COLUMNS": "100",
        "http_proxy": proxy,
        "https_proxy": proxy,
    }
