"""The server under load on loopback, beside the same index asked through the library.

    python benchmarks/serve.py [--seconds 10] [--clients 1,8,32] [--minutes 0] [--output FILE.json]

Three kinds of load: search by id (21,221 real vectors of 768 dimensions), search by upload (the
demo's pictures, phash), and both kinds while another client adds images. wrk drives searches by id
where it is installed, this program's own client everything else. The library is asked in the same
run, in one thread, and its answers are compared with the server's.

`--minutes`: mixed load for so long, with the server's memory at every tenth.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import statistics
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

from vecsim import Index
from vecsim.operations.building import build_index
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import ImageRef

sys.path.insert(0, str(Path(__file__).parent))
from _common import features, report

PICTURES = sorted((Path(__file__).resolve().parents[1] / "demo" / "images").glob("*.jpg"))
K = 10
_SERVE = (
    "import json, sys; from pathlib import Path; from vecsim.web import ServeOptions; "
    "from vecsim.web.server import serve; "
    "serve([Path(p) for p in json.loads(sys.argv[1])], "
    "ServeOptions(port=0, allow_writes=True, allow_private=True, max_requests=256), "
    "ready=lambda url: print(url, flush=True))"
)

Ask = Callable[[http.client.HTTPConnection, int], int]


@contextmanager
def server(*paths: Path) -> Iterator[tuple[str, int]]:
    """A server as a process of its own: its address and its process id."""
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
    """The demo's pictures over HTTP, under any name that ends in their number."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    data = [path.read_bytes() for path in PICTURES]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            picture = data[int(re.sub(r"\D", "", self.path) or 0) % len(data)]
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


def by_id(connection: http.client.HTTPConnection, number: int) -> int:
    """One search by id."""
    row = number * 7919 % 21_221
    connection.request("GET", f"/api/v1/indexes/vectors/search?id=v{row}&k={K}")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def by_upload(connection: http.client.HTTPConnection, number: int) -> int:
    """One search by upload."""
    data = UPLOADS[number % len(UPLOADS)]
    kind = {"Content-Type": "application/octet-stream"}
    connection.request("POST", f"/api/v1/indexes/pictures/search/upload?k={K}", data, kind)
    answer = connection.getresponse()
    answer.read()
    return answer.status


UPLOADS = [path.read_bytes() for path in PICTURES]


def load(address: str, ask: Ask, clients: int, seconds: float) -> dict[str, Any]:
    """Requests a second and latencies of `clients` that each ask again at once."""
    times: list[float] = []
    others: dict[int, int] = {}
    end = time.perf_counter() + seconds

    def client(first: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        number = first
        while time.perf_counter() < end:
            started = time.perf_counter()
            status = ask(connection, number)
            if status == 200:
                times.append(time.perf_counter() - started)
            else:
                others[status] = others.get(status, 0) + 1
            number += clients
        connection.close()

    threads = [threading.Thread(target=client, args=(first,)) for first in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {**latencies(times), "a second": round(len(times) / (time.perf_counter() - started)),
            "refused": sum(others.values())}  # fmt: skip


def latencies(times: list[float]) -> dict[str, Any]:
    """Milliseconds at 50, 95 and 99 %."""
    marks = statistics.quantiles(times or [0.0, 0.0], n=100)
    return {f"{mark} % ms": round(1000 * marks[mark - 1], 1) for mark in (50, 95, 99)}


def wrk(address: str, clients: int, seconds: float, folder: Path) -> dict[str, Any]:
    """The same by wrk, searching by id."""
    script = folder / "ids.lua"
    script.write_text(
        "local n = 0\nrequest = function()\n  n = n + 7919\n"
        "  return wrk.format('GET', '/api/v1/indexes/vectors/search?id=v' .. (n % 21221)"
        f" .. '&k={K}')\nend\n"
        "done = function(summary, latency)\n  for _, p in pairs({50, 95, 99}) do\n"
        "    print('MARK', p, latency:percentile(p) / 1000)\n  end\n"
        "  print('RATE', summary.requests / summary.duration * 1e6)\n"
        "  print('BAD', summary.errors.status + summary.errors.timeout)\nend\n"
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "-s", str(script)]
    said = subprocess.run([*command, f"http://{address}"], capture_output=True, text=True).stdout
    marks = dict(re.findall(r"MARK\s+(\d+)\s+([\d.]+)", said))
    return {**{f"{mark} % ms": round(float(marks[mark]), 1) for mark in ("50", "95", "99")},
            "a second": round(float(re.findall(r"RATE\s+([\d.]+)", said)[0])),
            "refused": int(re.findall(r"BAD\s+(\d+)", said)[0])}  # fmt: skip


def library(ask: Callable[[int], Any], seconds: float) -> dict[str, Any]:
    """The same asked through the library, one after the other."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        ask(len(times))
        times.append(time.perf_counter() - started)
    return {**latencies(times), "a second": round(len(times) / sum(times)), "refused": 0}


@contextmanager
def adding(address: str, pictures: str) -> Iterator[list[int]]:
    """A client that adds one image after the other meanwhile; yields a list of their statuses."""
    over, statuses = threading.Event(), list[int]()

    def add() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while not over.wait(0.02):
            number = time.monotonic_ns()
            image = {"id": f"n{number}", "url": f"{pictures}/{number}"}
            body = json.dumps({"images": [image]})
            kind = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/indexes/pictures/images", body, kind)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)

    thread = threading.Thread(target=add)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()


@contextmanager
def nuisances(address: str) -> Iterator[None]:
    """Fifty clients that send byte by byte, and one that sends without end, over and over."""
    over = threading.Event()
    name, port = address.split(":")
    head = (
        "POST /api/v1/indexes/pictures/search/upload HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: image/jpeg\r\n"
    )

    def drip() -> None:
        while not over.is_set():
            with socket.create_connection((name, int(port))) as connection:
                try:
                    connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
                    while not over.wait(0.5):
                        connection.sendall(b"x")
                except OSError:
                    continue

    def flood() -> None:
        part = b"10000\r\n" + bytes(65536) + b"\r\n"
        while not over.wait(0.05):
            with socket.create_connection((name, int(port))) as connection:
                try:
                    connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                    while not over.is_set():
                        connection.sendall(part)
                except OSError:
                    continue

    threads = [threading.Thread(target=drip) for _ in range(50)]
    threads.append(threading.Thread(target=flood))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def memory_mb(pid: int) -> float:
    """Anonymous resident memory of a process, in megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+)", status)[0]) / 1024


def check(address: str, vectors: Index, pictures: Index) -> None:
    """The server's answers are the library's."""
    connection = http.client.HTTPConnection(address, timeout=60)
    for number in range(20):
        row = number * 7919 % 21_221
        connection.request("GET", f"/api/v1/indexes/vectors/search?id=v{row}&k={K}")
        found = json.loads(connection.getresponse().read())["matches"]
        expected = [(m.reference_id, m.score) for m in vectors.query_ids(f"v{row}", top_k=K)]
        assert [(match["id"], match["score"]) for match in found] == expected
    for path in PICTURES:
        kind = {"Content-Type": "application/octet-stream"}
        url = f"/api/v1/indexes/pictures/search/upload?k={K}"
        connection.request("POST", url, path.read_bytes(), kind)
        found = json.loads(connection.getresponse().read())["matches"]
        expected = [(m.reference_id, m.score) for m in pictures.query(path, top_k=K)]
        assert [(match["id"], match["score"]) for match in found] == expected


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    counts, seconds = [int(n) for n in options.clients.split(",")], options.seconds
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    rows: list[dict[str, Any]] = []

    def note(work: str, way: str, clients: int, found: dict[str, Any]) -> None:
        rows.append({"work": work, "way": way, "clients": clients, **found})
        print(rows[-1], file=sys.stderr)

    with tempfile.TemporaryDirectory() as temporary, pictures_server() as source:
        folder = Path(temporary)
        found = features()[1]
        vectors = Index.from_vectors(
            folder / "vectors", np.asarray(found), [f"v{row}" for row in range(len(found))]
        )
        refs = [ImageRef(f"p{n}", f"{source}/{n}") for n in range(500)]
        build_index(folder / "pictures", refs, RunOptions(ModelChoice("phash")))
        pictures = Index.open(folder / "pictures")
        with server(folder / "vectors", folder / "pictures") as (address, pid):
            check(address, vectors, pictures)
            ids = lambda n: list(vectors.query_ids(f"v{n * 7919 % 21_221}", top_k=K))  # noqa: E731
            upload = lambda n: list(pictures.query(PICTURES[n % 6], top_k=K))  # noqa: E731
            note("by id", "library", 1, library(ids, seconds))
            for clients in counts:
                note("by id", "server", clients, load(address, by_id, clients, seconds))
                if shutil.which("wrk"):
                    note("by id", "server (wrk)", clients, wrk(address, clients, seconds, folder))
            note("by upload", "library", 1, library(upload, seconds))
            for clients in counts:
                note("by upload", "server", clients, load(address, by_upload, clients, seconds))
            with adding(address, source) as added:
                for clients in counts:
                    note("by id, adds", "server", clients, load(address, by_id, clients, seconds))
                    note(
                        "by upload, adds", "server", clients,
                        load(address, by_upload, clients, seconds),
                    )  # fmt: skip
            print(f"added {added.count(200)}, refused {len(added) - added.count(200)}")
            with nuisances(address):
                note("by id, nuisances", "server", 8, load(address, by_id, 8, seconds))
            if options.minutes:
                mixed(address, source, pid, options.minutes)
        vectors.close()
        pictures.close()
    report("serve", rows, options.output)


def mixed(address: str, source: str, pid: int, minutes: float) -> None:
    """Searches of both kinds and adds; prints the memory at every tenth of the time."""
    one = lambda c, n: by_id(c, n) if n % 2 else by_upload(c, n)  # noqa: E731
    with adding(address, source):
        for tenth in range(10):
            found = load(address, one, 4, minutes * 6)
            files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            print(f"{(tenth + 1) * minutes / 10:.1f} min: {memory_mb(pid):.0f} MB, "
                  f"{files} files, {found}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
