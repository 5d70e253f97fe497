"""Several shops that record which worker process requests what, and comparisons of indexes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.on_disk import content, rows
from support.shop import Shop, id_of, picture

COUNT = 300
SHOPS = 10
MISSING = [7, 50, 51, 120, 299]  # answered with 404


def process_behind(port: int, own: int) -> int | None:
    """The process that has the loopback connection from `port` to our port `own`."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(fields[place].rpartition(":")[2], 16) for place in (1, 2)]
        if ports == [port, own]:
            return _holder_of(f"socket:[{fields[9]}]")
    return None


def _holder_of(socket: str) -> int | None:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if any(os.readlink(link) == socket for link in (entry / "fd").iterdir()):
                return int(entry.name)
        except OSError:  # the process has ended, or belongs to another user
            continue
    return None


class Mall:
    """Shops on different hosts with the same pictures."""

    def __init__(self, delay: float, count: int = COUNT) -> None:
        self.shops = [Shop(0, delay) for _ in range(SHOPS)]
        self.shops[0].pictures = [picture(number) for number in range(count)]
        for shop in self.shops[1:]:
            shop.pictures = self.shops[0].pictures
        self.visitors: Counter[int | None] = Counter()
        self.deadly: set[str] = set()
        for shop in self.shops:
            self._watch(shop)

    def _watch(self, shop: Shop) -> None:
        """Record the requesting process, and kill it if it requests a deadly picture."""
        handler = shop._server.RequestHandlerClass
        answer = handler.do_GET  # type: ignore[attr-defined]
        mall = self

        def do_GET(self) -> None:  # type: ignore[no-untyped-def]
            # Looked up once per connection: later, another process may use the same port.
            ports = self.client_address[1], shop._server.server_address[1]
            visitor = self.visitor = getattr(self, "visitor", None) or process_behind(*ports)
            mall.visitors[visitor] += 1
            if self.path in mall.deadly and visitor is not None:
                os.kill(visitor, signal.SIGKILL)
            answer(self)

        handler.do_GET = do_GET  # type: ignore[attr-defined]

    @contextmanager
    def open(self) -> Iterator[Mall]:
        with ExitStack() as opened:
            for shop in self.shops:
                opened.enter_context(shop.open())
            yield self

    @property
    def total(self) -> int:
        return sum(shop.total for shop in self.shops)

    def list_to(self, path: Path, numbers: Sequence[int]) -> Path:
        """Write a CSV of these pictures, each from the next shop."""
        lines = ["id,name,url"]
        for number in numbers:
            wanted = number + len(self.shops[0].pictures) if number in MISSING else number
            lines.append(f"{id_of(number)},name {number},{self.shops[number % SHOPS].url(wanted)}")
        path.write_text("\n".join(lines) + "\n")
        return path


def everything(path: Path) -> list[list[tuple]]:
    """The content of an index without timestamps: images in order, facts, failures."""
    facts = "SELECT id, final_url, http_status, byte_count, sha256, width, height, format, warnings"
    failures = "SELECT id, url, kind, message, http_status, final_url, attempts FROM failures"
    return [
        content(path),
        rows(path, f"{facts} FROM images WHERE removed_generation IS NULL ORDER BY key"),
        rows(path, f"{failures} ORDER BY id"),
    ]
