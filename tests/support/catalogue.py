"""A catalogue on a loopback server that changes every night; counts requests."""

from __future__ import annotations

import csv
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.shop import picture


class Catalogue:
    """Serves `pictures` by path with an ETag; answers conditional requests; counts both."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.conditional = self.bodies = 0
        self.delay = 0.0
        catalogue = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                time.sleep(catalogue.delay)
                catalogue.requests[self.path] += 1
                data = catalogue.pictures.get(self.path)
                etag = f'"{sha256(data).hexdigest()}"' if data is not None else ""
                asked = self.headers.get("If-None-Match")
                catalogue.conditional += asked is not None
                unchanged = data is not None and asked == etag
                self.send_response(404 if data is None else 304 if unchanged else 200)
                body = b"" if data is None or unchanged else data
                catalogue.bodies += bool(body)
                if etag:
                    self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore closed connections: tests kill clients."""

        self._server = Server(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def forget(self) -> None:
        self.requests.clear()
        self.conditional = self.bodies = 0

    @contextmanager
    def open(self) -> Iterator[Catalogue]:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        yield self
        self._server.shutdown()
        self._server.server_close()


def write_catalogue(path: Path, listed: dict[str, tuple[str, str]]) -> Path:
    """Write a list of ids with their URLs and titles."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "title"])
        writer.writerows([id_, url, title] for id_, (url, title) in listed.items())
    return path


def first_night(catalogue: Catalogue, count: int) -> dict[str, tuple[str, str]]:
    for number in range(count):
        catalogue.pictures[f"/{number}.png"] = picture(number, 32)
    return {f"p{n}": (catalogue.url(f"/{n}.png"), f"title {n}") for n in range(count)}


def next_night(
    catalogue: Catalogue, listed: dict[str, tuple[str, str]], share: int
) -> tuple[set[str], set[str]]:
    """Change `listed` and the server; returns the paths that are new, and the ids of new bytes.

    `share` each are removed, added, retitled, moved to another URL, changed at the same URL.
    """
    ids = list(listed)
    removed, retitled, moved, changed = (ids[k * share : (k + 1) * share] for k in range(4))
    paths = set()
    for id_ in removed:
        del listed[id_]
    for id_ in retitled:
        listed[id_] = (listed[id_][0], "another title")
    for id_ in moved:
        path = f"/moved/{id_}.png"
        catalogue.pictures[path] = catalogue.pictures[f"/{id_[1:]}.png"]
        listed[id_] = (catalogue.url(path), listed[id_][1])
        paths.add(path)
    for n, id_ in enumerate(changed):
        catalogue.pictures[f"/{id_[1:]}.png"] = picture(50_000 + n, 32)
    for n in range(share):
        path = f"/new{n}.png"
        catalogue.pictures[path] = picture(60_000 + n, 32)
        listed[f"new{n}"] = (catalogue.url(path), f"new {n}")
        paths.add(path)
    return paths, set(changed)
