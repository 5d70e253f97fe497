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


def client_process(port: int, own: int) -> int | None:
    """Return the process at the other end of the loopback connection from `port` to `own`."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(fields[column].rpartition(":")[2], 16) for column in (1, 2)]
        if ports == [port, own]:
            return _process_with(f"socket:[{fields[9]}]")
    return None


def _process_with(socket: str) -> int | None:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if any(os.readlink(link) == socket for link in (entry / "fd").iterdir()):
                return int(entry.name)
        except OSError:  # the process has ended, or belongs to another user
            continue
    return None


class Shops:
    """Shops with the same pictures, each at a port of its own.

    `requests_by_process`: how many requests each client process has sent. `fatal_paths`: paths
    whose request kills the process that sends it.
    """

    def __init__(self, delay: float, count: int = COUNT) -> None:
        self.members = [Shop(0, delay) for _ in range(SHOPS)]
        self.members[0].pictures = [picture(number) for number in range(count)]
        for shop in self.members[1:]:
            shop.pictures = self.members[0].pictures
        self.requests_by_process: Counter[int | None] = Counter()
        self.fatal_paths: set[str] = set()
        for shop in self.members:
            self._watch(shop)

    def _watch(self, shop: Shop) -> None:
        """Record the requesting process, and kill it if it requests a fatal path."""
        handler = shop._server.RequestHandlerClass
        answer = handler.do_GET  # type: ignore[attr-defined]
        shops = self

        def do_GET(self) -> None:  # type: ignore[no-untyped-def]
            # Looked up once per connection: later, another process may use the same port.
            ports = self.client_address[1], shop._server.server_address[1]
            process = self.process = getattr(self, "process", None) or client_process(*ports)
            shops.requests_by_process[process] += 1
            if self.path in shops.fatal_paths and process is not None:
                os.kill(process, signal.SIGKILL)
            answer(self)

        handler.do_GET = do_GET  # type: ignore[attr-defined]

    @contextmanager
    def open(self) -> Iterator[Shops]:
        with ExitStack() as opened:
            for shop in self.members:
                opened.enter_context(shop.open())
            yield self

    @property
    def total(self) -> int:
        return sum(shop.total for shop in self.members)

    def list_to(self, path: Path, numbers: Sequence[int]) -> Path:
        """Write a CSV of the pictures with these numbers, spread over the shops."""
        lines = ["id,name,url"]
        for number in numbers:
            wanted = number + len(self.members[0].pictures) if number in MISSING else number
            url = self.members[number % SHOPS].url(wanted)
            lines.append(f"{id_of(number)},name {number},{url}")
        path.write_text("\n".join(lines) + "\n")
        return path


def index_state(path: Path) -> list[list[tuple]]:
    """Return the content of an index without timestamps: images in order, facts, failures."""
    facts = "SELECT id, final_url, http_status, byte_count, sha256, width, height, format, warnings"
    failures = "SELECT id, url, kind, message, http_status, final_url, attempts FROM failures"
    return [
        content(path),
        rows(path, f"{facts} FROM images WHERE removed_generation IS NULL ORDER BY key"),
        rows(path, f"{failures} ORDER BY id"),
    ]
