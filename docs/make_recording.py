"""Write docs/images/first-minute.svg: a recording of the first minute, played in twenty seconds.

The commands run here, in a terminal of 64 columns, on the six pictures of the demo; what they print
is what the recording shows. Run it again after a change of the output:

    python docs/make_recording.py
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "images" / "first-minute.svg"
COLUMNS = 64

STEPS = (
    ("vecsim match photos/", 1.0),
    ("vecsim query photos/ new.jpg", 7.5),
    ("vecsim cluster photos/ --report groups.html", 13.0),
)
"""Commands, and when each begins to be typed, in seconds."""

SECONDS = 20
_TYPING = 1.2  # seconds that typing a command takes
_RUNNING = 0.6  # seconds until its output appears; the real ones are about two

_LINE, _CELL, _FONT, _MARGIN = 19, 8.43, 14, 14  # pixels
_PROGRESS = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(\r\x1b\[1A\x1b\[2K)?", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A line of the recording and the second at which it appears."""

    text: str
    at: float
    is_command: bool = False


def record() -> list[Shown]:
    """Run the commands; return what the terminal shows."""
    shown: list[Shown] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copytree(ROOT / "demo" / "images", home / "photos")
        (home / "photos" / "2.jpg").rename(home / "new.jpg")
        for command, start in STEPS:
            shown.append(Shown(f"$ {command}", start, is_command=True))
            begins = start + _TYPING + _RUNNING
            shown += [Shown(line, begins) for line in _run(command, home)]
            shown.append(Shown("", begins))
    return shown[:-1]


def _run(command: str, home: Path) -> list[str]:
    """Run a command in a terminal; return its lines, cut at the width of the terminal."""
    reader, writer = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VECSIM_")}
    environment = kept | {"TERM": "xterm", "COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", *command.split()]
    pipes = {"stdout": writer, "stderr": writer}
    with subprocess.Popen(words, cwd=home, env=environment, **pipes) as process:
        os.close(writer)
        output = b""
        with contextlib.suppress(OSError):  # Linux: EIO once the other end is closed
            while part := os.read(reader, 10_000):
                output += part
    os.close(reader)
    text = output.decode()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{text}")
    text = _PROGRESS.sub("", text).replace(str(home), "/home/anna").replace("\r", "")
    return [part for line in text.splitlines() for part in _wrapped(line)]


def _wrapped(line: str) -> list[str]:
    """Cut a line as a terminal does."""
    return [line[n : n + COLUMNS] for n in range(0, max(1, len(line)), COLUMNS)]


def draw(shown: list[Shown]) -> str:
    """Return the recording as an SVG; it stands still where motion is unwanted."""
    width = round(COLUMNS * _CELL + 2 * _MARGIN)
    height = len(shown) * _LINE + 2 * _MARGIN
    times = sorted({line.at for line in shown})
    frames = "".join(
        f"@keyframes a{n}{{0%{{opacity:0}}{100 * at / SECONDS:.2f}%,100%{{opacity:1}}}}\n"
        f".a{n}{{animation:a{n} {SECONDS}s step-end infinite}}\n"
        for n, at in enumerate(times)
    )
    rows = []
    for number, line in enumerate(shown):
        if not line.text:
            continue
        y = _MARGIN + number * _LINE
        kind = f"a{times.index(line.at)}" + (" command" if line.is_command else "")
        text = escape(line.text, quote=False)
        attributes = f'x="{_MARGIN}" y="{y + _FONT}" textLength="{len(line.text) * _CELL:.0f}"'
        rows.append(f'<text class="{kind}" {attributes}>{text}</text>')
        if line.is_command:
            start, end = (100 * (line.at + part) / SECONDS for part in (0, _TYPING))
            length = len(line.text) - 2
            wide = length * _CELL
            frames += (
                f"@keyframes t{number}{{0%,{start:.2f}%{{transform:none;"
                f"animation-timing-function:steps({length})}}"
                f"{end:.2f}%,100%{{transform:scaleX(0)}}}}\n"
                f".t{number}{{animation:t{number} {SECONDS}s infinite}}\n"
            )
            x = _MARGIN + 2 * _CELL
            rows.append(
                f'<rect class="cover t{number}" x="{x:.1f}" y="{y}" width="{wide:.0f}" '
                f'height="{_LINE}"/>'
            )
    lines = "\n".join(rows)
    commands = ", ".join(command for command, _ in STEPS)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
xml:space="preserve">
<title>A terminal: {escape(commands, quote=False)}</title>
<style>
text{{font:{_FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
fill:#24292f;white-space:pre}}
.command{{font-weight:bold;fill:#0550ae}}
.ground,.cover{{fill:#f6f8fa}}
.ground{{stroke:#d0d7de}}
.cover{{transform-box:fill-box;transform-origin:right}}
@media (prefers-color-scheme:dark){{
text{{fill:#e6edf3}}
.command{{fill:#79c0ff}}
.ground,.cover{{fill:#161b22}}
.ground{{stroke:#30363d}}
}}
{frames}@media (prefers-reduced-motion:reduce){{
*{{animation:none!important}}
.cover{{display:none}}
}}
</style>
<rect class="ground" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>
{lines}
</svg>
"""


if __name__ == "__main__":
    FILE.write_text(draw(record()), encoding="utf-8")
