"""The server under load on loopback, beside the library searching the same index.

    python benchmarks/serve.py [--seconds 10] [--clients 1,8,32] [--minutes 0] [--large COUNT]
        [--output FILE.json]

Three kinds of load: search by id (21,221 real vectors of 768 dimensions), search by upload (the
demo's pictures, phash), and both kinds while another client adds images. wrk drives searches by id
too where it is installed. The library searches in the same run, in one thread, and its answers are
compared with the server's.

`--large`: instead, searches by id in an index of so many made vectors of 256 dimensions.
`--minutes`: mixed load for that long, with the server's memory after every tenth of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _clients import (
    TOP_K,
    UPLOADS,
    HostileClients,
    Search,
    adding,
    latencies,
    load,
    search_by_either,
    search_by_id,
    search_by_upload,
    searches_by_id,
    spread,
    wrk,
)
from _common import DEMO_PICTURES, anonymous_mb, features, interpolated, remove_proxies, report

from vecsim import Index
from vecsim.records import ImageRef

_SERVE = (
    "import json, sys; from pathlib import Path; from vecsim.web import ServeOptions; "
    "from vecsim.web.server import serve; "
    "serve([Path(p) for p in json.loads(sys.argv[1])], "
    "ServeOptions(port=0, allow_writes=True, allow_private=True, max_requests=256, "
    "max_client_requests=256), "
    "ready=lambda url: print(url, flush=True))"
)


LARGE_DIM = 256


@contextmanager
def server(*paths: Path) -> Iterator[tuple[str, int]]:
    """Run a server in a process of its own; yields its address and its process id."""
    command = [sys.executable, "-c", _SERVE, json.dumps([str(path) for path in paths])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().removeprefix("http://").rstrip("/"), process.pid
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def pictures_server() -> Iterator[str]:
    """Serve the demo's pictures over HTTP, chosen by the digits of the path; yields the address."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            picture = UPLOADS[int(re.sub(r"\D", "", self.path) or 0) % len(UPLOADS)]
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture)))
            self.end_headers()
            self.wfile.write(picture)

        def log_message(self, *words: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()


def library(search: Callable[[int], Any], seconds: float) -> dict[str, Any]:
    """Search through the library, one search after the other; return the figures of `load`."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        search(len(times))
        times.append(time.perf_counter() - started)
    return {**latencies(times), "per second": round(len(times) / sum(times)), "refused": 0}


def check_answers(address: str, vectors: Index, pictures: Index) -> None:
    """Compare answers of the server with those of the library."""
    connection = http.client.HTTPConnection(address, timeout=60)

    def matches() -> list[tuple[str, float]]:
        found = json.loads(connection.getresponse().read())["matches"]
        return [(match["id"], match["score"]) for match in found]

    for number in range(20):
        name = f"v{spread(number)}"
        connection.request("GET", f"/api/v1/indexes/vectors/search?id={name}&k={TOP_K}")
        expected = vectors.query_ids(name, top_k=TOP_K)
        assert matches() == [(match.reference_id, match.score) for match in expected]
    for path in DEMO_PICTURES:
        headers = {"Content-Type": "application/octet-stream"}
        url = f"/api/v1/indexes/pictures/search/upload?k={TOP_K}"
        connection.request("POST", url, path.read_bytes(), headers)
        expected = pictures.query(path, top_k=TOP_K)
        assert matches() == [(match.reference_id, match.score) for match in expected]


class Measurements:
    """Runs the loads and collects the rows of the table."""

    def __init__(self, address: str, counts: list[int], seconds: float) -> None:
        """`counts`: numbers of clients. `seconds`: of each load."""
        self.rows: list[dict[str, Any]] = []
        self._address = address
        self._counts = counts
        self._seconds = seconds

    def add(self, work: str, way: str, clients: int, figures: dict[str, Any]) -> None:
        """Add a row and print it."""
        self.rows.append({"work": work, "way": way, "clients": clients, **figures})
        print(self.rows[-1], file=sys.stderr)

    def add_library(self, work: str, search: Callable[[int], Any]) -> None:
        """Measure searches through the library."""
        self.add(work, "library", 1, library(search, self._seconds))

    def add_server(self, work: str, search: Search, counts: list[int] | None = None) -> None:
        """Measure searches through the server, for each number of clients."""
        for clients in counts or self._counts:
            figures = load(self._address, search, clients, self._seconds)
            self.add(work, "server", clients, figures)

    def add_wrk(self, work: str, folder: Path) -> None:
        """Measure searches by id with wrk, where it is installed."""
        if not shutil.which("wrk"):
            return
        for clients in self._counts:
            figures = wrk(self._address, clients, self._seconds, folder)
            self.add(work, "server (wrk)", clients, figures)


def measure_mixed_load(address: str, source: str, pid: int, minutes: float) -> None:
    """Search in both ways and add images; print the server's memory after each tenth."""
    with adding(address, source):
        for tenth in range(1, 11):
            figures = load(address, search_by_either, 4, minutes * 6)
            files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            memory = f"{anonymous_mb(pid):.0f} MB"
            print(f"{tenth * minutes / 10:.1f} min: {memory}, {files} files, {figures}", flush=True)


def measure(
    address: str, vectors: Index, pictures: Index, source: str, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run all loads but the mixed one; return the rows of the table."""
    counts = [int(count) for count in options.clients.split(",")]
    measured = Measurements(address, counts, options.seconds)
    measured.add_library("by id", lambda n: list(vectors.query_ids(f"v{spread(n)}", top_k=TOP_K)))
    measured.add_server("by id", search_by_id)
    measured.add_wrk("by id", vectors.path.parent)
    measured.add_library(
        "by upload",
        lambda n: list(pictures.query(DEMO_PICTURES[n % len(DEMO_PICTURES)], top_k=TOP_K)),
    )
    measured.add_server("by upload", search_by_upload)
    with adding(address, source) as added:
        measured.add_server("by id, adds", search_by_id)
        measured.add_server("by upload, adds", search_by_upload)
    print(f"added {added.count(200)}, refused {len(added) - added.count(200)}")
    with HostileClients(address):
        measured.add_server("by id, hostile clients", search_by_id, [8])
    return measured.rows


def measure_large(folder: Path, count: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Search by id in an index of `count` vectors; print the server's memory."""
    counts = [int(each) for each in options.clients.split(",")]
    vectors = interpolated(count, seed=1, dim=LARGE_DIM)
    Index.from_vectors(folder / "large", vectors, [f"v{row}" for row in range(count)]).close()
    del vectors
    with Index.open(folder / "large") as large, server(folder / "large") as (address, pid):
        measured = Measurements(address, counts, options.seconds)
        work = f"by id, {count:,} vectors"
        measured.add_library(
            work, lambda n: list(large.query_ids(f"v{spread(n, count)}", top_k=TOP_K))
        )
        measured.add_server(work, searches_by_id("large", count))
        mapped = int(re.findall(r"RssFile:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
        print(f"memory: {anonymous_mb(pid):.0f} MB, and {mapped / 1e3:.0f} MB of mapped files")
    return measured.rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--large", type=int, default=0, metavar="COUNT")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    remove_proxies()
    if options.large:
        with tempfile.TemporaryDirectory() as temporary:
            report("serve", measure_large(Path(temporary), options.large, options), options.output)
        return
    with tempfile.TemporaryDirectory() as temporary, pictures_server() as source:
        folder = Path(temporary)
        real = np.asarray(features()[1])
        names = [f"v{row}" for row in range(len(real))]
        Index.from_vectors(folder / "vectors", real, names).close()
        with Index.create(folder / "pictures", "phash") as index:
            index.add([ImageRef(f"p{n}", f"{source}/{n}") for n in range(500)])
        with (
            Index.open(folder / "vectors") as vectors,
            Index.open(folder / "pictures") as pictures,
            server(folder / "vectors", folder / "pictures") as (address, pid),
        ):
            check_answers(address, vectors, pictures)
            rows = measure(address, vectors, pictures, source, options)
            if options.minutes:
                measure_mixed_load(address, source, pid, options.minutes)
    report("serve", rows, options.output)


if __name__ == "__main__":
    main()
