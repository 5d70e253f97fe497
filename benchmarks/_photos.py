"""Photographs for benchmarks, and a server for them in a process of its own."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _common import original_photographs
from PIL import Image

SIDE = 500


def make_photos(folder: Path, count: int, seed: int = 1) -> list[str]:
    """Cut `count` different JPEGs of about 500 px out of real photographs; returns their names.

    Seeded. A folder that has them already is used as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:05d}.jpg" for number in range(count)]
    if all((folder / name).exists() for name in names):
        return names
    originals = [Image.open(path).convert("RGB") for path in original_photographs()]
    chance = random.Random(seed)
    for name in names:
        picture = chance.choice(originals)
        width, height = picture.size
        share = chance.uniform(0.6, 0.95)
        box_width, box_height = int(width * share), int(height * share)
        left, top = chance.randrange(width - box_width), chance.randrange(height - box_height)
        cut = picture.crop((left, top, left + box_width, top + box_height))
        scale = SIDE / max(cut.size)
        size = (round(cut.width * scale), round(cut.height * scale))
        cut.resize(size, Image.Resampling.LANCZOS).save(folder / name, quality=88)
    return names


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve `folder` on loopback from another process; yields the address."""
    code = (
        "import functools, http.server, sys\n"
        "class Handler(http.server.SimpleHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        # As real servers do: else each body waits 40 ms for the acknowledgement of its head.
        "    disable_nagle_algorithm = True\n"
        "    def log_message(self, *args): pass\n"
        "make = functools.partial(Handler, directory=sys.argv[1])\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), make)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
