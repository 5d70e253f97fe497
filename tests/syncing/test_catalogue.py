"""`vecsim sync` with a catalogue of a loopback server that changes every night."""

from __future__ import annotations

import csv
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.commands import run, start
from support.on_disk import added_at, rows, state
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


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with Catalogue().open() as opened:
        yield opened


def write(path: Path, listed: dict[str, tuple[str, str]]) -> Path:
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


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_index_follows_a_nightly_catalogue(
    count: int, catalogue: Catalogue, tmp_path: Path
) -> None:
    share = count // 100
    index, fresh, source = tmp_path / "index", tmp_path / "fresh", tmp_path / "shop.csv"
    listed = first_night(catalogue, count)
    run("build-index", index, write(source, listed), "--no-thumbnails")
    times = added_at(index)
    paths, changed = next_night(catalogue, listed, share)
    write(source, listed)
    run("build-index", fresh, source, "--no-thumbnails")

    catalogue.forget()
    began = time.monotonic()
    printed = run("sync", index, source)
    took = time.monotonic() - began
    assert set(catalogue.requests) == paths and catalogue.requests.total() == len(paths)
    expected = f"{share} added, {share} moved, {share} with other fields, {share} removed"
    assert expected in printed
    assert took < 5 + 0.01 * len(paths)
    found, right = state(index), state(fresh)
    assert found.keys() == right.keys()
    differing = {id_ for id_ in right if found[id_] != right[id_]}
    assert differing == changed
    kept = added_at(index)
    assert all(kept[id_] == times[id_] for id_ in kept if not id_.startswith("new"))

    catalogue.forget()
    printed = run("sync", index, source, "--refresh")
    assert f"{share} changed" in printed
    assert catalogue.requests.total() == catalogue.conditional == count
    assert catalogue.bodies == share
    assert state(index) == right
    run("verify", index)
    assert "nothing changed" in run("sync", index, source)


def test_a_kill_at_any_time_loses_no_image(catalogue: Catalogue, tmp_path: Path) -> None:
    index, fresh, source = tmp_path / "index", tmp_path / "fresh", tmp_path / "shop.csv"
    listed = first_night(catalogue, 120)
    run("build-index", index, write(source, listed), VECSIM_CHUNK_IMAGES="20")
    next_night(catalogue, listed, 20)
    write(source, listed)
    run("build-index", fresh, source)
    kept = {id_ for id_ in listed if not id_.startswith("new")}
    catalogue.delay = 0.02
    killed = 0
    for wait in (0.6, 0.9, 1.2, 1.5, 1.8):
        with start("sync", index, source, "--workers", "2", VECSIM_CHUNK_IMAGES="5") as process:
            time.sleep(wait)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.communicate()
        assert kept <= state(index).keys()
    assert killed
    catalogue.delay = 0.0
    run("sync", index, source, "--refresh")
    assert state(index) == state(fresh)
    run("verify", index)
    assert rows(index, "SELECT began_at FROM sources") == [("",)]


def test_an_interrupted_sync_removes_nothing_and_can_be_repeated(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    index, source = tmp_path / "index", tmp_path / "shop.csv"
    listed = first_night(catalogue, 50)
    run("build-index", index, write(source, listed))
    next_night(catalogue, listed, 5)
    write(source, listed)
    catalogue.delay = 0.3
    with start("sync", index, source, "--workers", "1") as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "nothing was removed" in err
    assert {f"p{n}" for n in range(50)} <= state(index).keys()
    catalogue.delay = 0.0
    run("sync", index, source)
    assert state(index).keys() == listed.keys()
