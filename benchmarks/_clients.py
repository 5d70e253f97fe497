"""Clients of the server's API for `serve.py`: searches, uploads, adds, hostile requests, wrk."""

from __future__ import annotations

import http.client
import json
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from _common import DEMO_PICTURES

TOP_K = 10
VECTORS = 21_221
UPLOADS = [path.read_bytes() for path in DEMO_PICTURES]

Search: TypeAlias = Callable[[http.client.HTTPConnection, int], int]
"""Sends search number n over a connection; returns the HTTP status."""


def spread(number: int, count: int = VECTORS) -> int:
    """Return the row of search `number`: consecutive searches ask for rows far apart."""
    return number * 7919 % count


def searches_by_id(index: str, count: int) -> Search:
    """Return searches by id in an index of `count` vectors, which are called v0, v1, …"""

    def search(connection: http.client.HTTPConnection, number: int) -> int:
        path = f"/api/v1/indexes/{index}/search?id=v{spread(number, count)}&k={TOP_K}"
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status

    return search


search_by_id = searches_by_id("vectors", VECTORS)


def search_by_upload(connection: http.client.HTTPConnection, number: int) -> int:
    """Search by upload; return the status."""
    data = UPLOADS[number % len(UPLOADS)]
    headers = {"Content-Type": "application/octet-stream"}
    connection.request("POST", f"/api/v1/indexes/pictures/search/upload?k={TOP_K}", data, headers)
    response = connection.getresponse()
    response.read()
    return response.status


def search_by_either(connection: http.client.HTTPConnection, number: int) -> int:
    """Search by id and by upload in turns; return the status."""
    search = search_by_id if number % 2 else search_by_upload
    return search(connection, number)


def load(address: str, search: Search, clients: int, seconds: float) -> dict[str, Any]:
    """Let `clients` search without a pause; return latencies, requests per second, refusals."""
    times: list[float] = []
    refused: list[int] = []
    end = time.perf_counter() + seconds

    def client(first: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        number = first
        while time.perf_counter() < end:
            started = time.perf_counter()
            status = search(connection, number)
            if status == 200:
                times.append(time.perf_counter() - started)
            else:
                refused.append(status)
            number += clients
        connection.close()

    threads = [threading.Thread(target=client, args=(first,)) for first in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {**latencies(times), "per second": round(len(times) / (time.perf_counter() - started)),
            "refused": len(refused)}  # fmt: skip


def latencies(times: list[float]) -> dict[str, Any]:
    """Return the percentiles 50, 95 and 99 in milliseconds."""
    samples = times if len(times) > 1 else 2 * (times or [0.0])  # quantiles needs two
    marks = statistics.quantiles(samples, n=100)
    return {f"{mark} % ms": round(1000 * marks[mark - 1], 1) for mark in (50, 95, 99)}


def wrk(address: str, clients: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Let wrk search by id; return the same figures as `load`."""
    script = folder / "ids.lua"
    script.write_text(
        "local n = 0\nrequest = function()\n  n = n + 7919\n"
        f"  return wrk.format('GET', '/api/v1/indexes/vectors/search?id=v' .. (n % {VECTORS})"
        f" .. '&k={TOP_K}')\nend\n"
        "done = function(summary, latency)\n  for _, p in pairs({50, 95, 99}) do\n"
        "    print('MARK', p, latency:percentile(p) / 1000)\n  end\n"
        "  print('RATE', summary.requests / summary.duration * 1e6)\n"
        "  print('BAD', summary.errors.status + summary.errors.timeout)\nend\n"
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "-s", str(script)]
    output = subprocess.run([*command, f"http://{address}"], capture_output=True, text=True).stdout
    marks = dict(re.findall(r"MARK\s+(\d+)\s+([\d.]+)", output))
    return {**{f"{mark} % ms": round(float(marks[mark]), 1) for mark in ("50", "95", "99")},
            "per second": round(float(re.findall(r"RATE\s+([\d.]+)", output)[0])),
            "refused": int(re.findall(r"BAD\s+(\d+)", output)[0])}  # fmt: skip


@contextmanager
def adding(address: str, pictures: str) -> Iterator[list[int]]:
    """Let another client add images meanwhile; yields the list of the statuses it gets."""
    done, statuses = threading.Event(), list[int]()

    def add() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while not done.wait(0.02):
            number = time.monotonic_ns()
            image = {"id": f"n{number}", "url": f"{pictures}/{number}"}
            body = json.dumps({"images": [image]})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/indexes/pictures/images", body, headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)

    thread = threading.Thread(target=add)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()


class HostileClients:
    """Fifty clients that send a body byte by byte, and one that sends without end, repeatedly."""

    _HEAD = (
        "POST /api/v1/indexes/pictures/search/upload HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: image/jpeg\r\n"
    )

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._address = (host, int(port))
        self._done = threading.Event()
        work = [self._send_slowly] * 50 + [self._send_endlessly]
        self._threads = [threading.Thread(target=target) for target in work]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _send_slowly(self) -> None:
        while not self._done.is_set():
            with socket.create_connection(self._address) as connection, suppress(OSError):
                connection.sendall(f"{self._HEAD}Content-Length: 100000\r\n\r\n".encode())
                while not self._done.wait(0.5):
                    connection.sendall(b"x")

    def _send_endlessly(self) -> None:
        part = b"10000\r\n" + bytes(65536) + b"\r\n"
        while not self._done.wait(0.05):
            with socket.create_connection(self._address) as connection, suppress(OSError):
                connection.sendall(f"{self._HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
                while not self._done.is_set():
                    connection.sendall(part)
