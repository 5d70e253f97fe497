"""A server with all of its logs on, under load for VECSIM_LOAD_SECONDS, by default 600.

Memory and open files stay flat, each request has one line of the access log, and the metrics count
the same. The figures are printed (`-s`).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from support.servers import HostileServer
from support.web_server import PICTURES, Server, serving

CLIENTS = 4
FLAT = 12
"""MB by which the last quarter may lie above the second one: caches, fragments of the heap."""


_KEPT = 20
_BYTES = {"Content-Type": "application/octet-stream"}


@dataclass
class Load:
    """Requests of several clients until `stop`; counts of their statuses."""

    server: Server
    shop: HostileServer
    statuses: Counter[int] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)

    def search(self, number: int) -> None:
        """Send requests of all kinds, one after the other."""
        data = [path.read_bytes() for path in sorted(PICTURES.iterdir())]
        api, page = self.server.api, self.server.url
        with httpx.Client(timeout=60, trust_env=False) as client:
            asks: list[Callable[[int], httpx.Response]] = [
                lambda n: client.get(api(f"indexes/six/search?id={n % 6 + 1}&k=3")),
                lambda n: client.post(
                    api("indexes/six/search/upload?k=3"),
                    content=data[n % 6],
                    headers=_BYTES,
                ),
                lambda n: client.get(f"{page}i/six/browse"),
                lambda n: client.get(f"{page}i/six?id={n % 6 + 1}"),
                lambda n: client.get(api(f"indexes/six/thumbnail?id={n % 6 + 1}")),
                lambda n: client.get(api("indexes/six/groups?threshold=0.8")),
                lambda n: client.get(f"{page}metrics"),
                lambda n: client.get(api(f"indexes/none/search?id={'x' * (n % 50)}")),
                lambda n: client.post(
                    api("indexes/six/search/upload"), content=b"no picture", headers=_BYTES
                ),
            ]
            for n in itertools.count(number):
                if self.stop.is_set():
                    return
                self._count(partial(asks[n % len(asks)], n))

    def add(self) -> None:
        """Add a picture each second under a new id, and remove the one of 20 seconds before."""
        url = self.server.api("indexes/six/images")
        with httpx.Client(timeout=60, trust_env=False) as client:
            for n in itertools.count():
                if self.stop.wait(1):
                    return
                image = {"url": self.shop.url(f"/{n % 6 + 1}.jpg"), "id": f"new{n}"}
                self._count(partial(client.post, url, json={"images": [image]}))
                if n >= _KEPT:
                    self._count(partial(client.delete, url, params={"id": f"new{n - _KEPT}"}))

    def _count(self, ask: Callable[[], httpx.Response]) -> None:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            self.errors.append(repr(error))
            return
        self.statuses[answer.status_code] += 1


def memory_mb(process: int) -> float:
    """The memory of a process and its children that no file backs."""
    found = 0
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for pid in [process, *map(int, children)]:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found += int(re.findall(r"RssAnon:\s+(\d+) kB", text)[0])
    return found / 1024


def watch(load: Load, seconds: float, log: Path) -> list[tuple[float, int]]:
    """Note memory and open files often, while the log is renamed once."""
    pid, seen = load.server.process.pid, []
    end, renamed = time.monotonic() + seconds, False
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
        seen.append((memory_mb(pid), len(os.listdir(f"/proc/{pid}/fd"))))
        if left < seconds / 2 and not renamed and log.exists():
            log.rename(log.with_suffix(".1"))
            renamed = True
    return seen


def run_load(copy: Path, tmp_path: Path, shop: HostileServer, seconds: float) -> list[list[float]]:
    """Run the load; check all counts; return memory and open files of each quarter."""
    log = tmp_path / "access.log"
    command = ["-m", "vecsim", "serve", str(copy), "--port", "0", "--allow-writes"]
    command += ["--allow-private", "--access-log", str(log), "--log-level", "debug"]
    command += ["--log-file", str(tmp_path / "run.log"), "--log-format", "json"]
    with serving(command=command) as server:
        load = Load(server, shop)
        threads = [threading.Thread(target=load.search, args=(n,)) for n in range(CLIENTS)]
        threads.append(threading.Thread(target=load.add))
        for thread in threads:
            thread.start()
        try:
            seen = watch(load, seconds, log)
        finally:
            load.stop.set()
            for thread in threads:
                thread.join(60)
        text = server.client.get(f"{server.url}metrics").text
        assert server.end() == 0
    assert load.errors == []
    total = sum(load.statuses.values())
    counted = re.findall(r"^vecsim_http_requests_total\{.*\} ([\d.e+]+)$", text, re.MULTILINE)
    assert sum(map(float, counted)) == total
    parts = [part for part in (log.with_suffix(".1"), log) if part.exists()]
    lines = [line for part in parts for line in part.read_text().splitlines()]
    assert Counter(json.loads(line)["status"] for line in lines) == load.statuses + Counter([200])
    assert set(load.statuses) <= {200, 404, 422}, load.statuses
    assert max(files for _, files in seen) < 200, "files of earlier generations stay open"
    size = max(1, len(seen) // 4)
    quarters_of = [seen[start : start + size] for start in range(0, len(seen) - size + 1, size)]
    quarters = [
        [statistics.median(column) for column in zip(*part, strict=True)] for part in quarters_of
    ]
    print(f"\n{total:,} requests in {seconds:g} s, {dict(load.statuses)}, {len(lines):,} lines")
    print("medians of the quarters, MB and open files:", quarters)
    return quarters


@pytest.mark.ci
def test_every_request_under_load_is_logged_and_counted(
    copy: Path, tmp_path: Path, shop: HostileServer
) -> None:
    run_load(copy, tmp_path, shop, 5)


@pytest.mark.slow
def test_memory_stays_flat_under_load_with_logs(
    copy: Path, tmp_path: Path, shop: HostileServer
) -> None:
    seconds = float(os.environ.get("VECSIM_LOAD_SECONDS") or 600)
    quarters = run_load(copy, tmp_path, shop, seconds)
    assert quarters[3][0] <= quarters[1][0] + FLAT, quarters
    assert quarters[3][1] <= quarters[1][1] + 12, quarters
