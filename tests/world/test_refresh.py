"""`vecsim refresh`: unchanged images cost no download, changed ones are embedded again."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from support.commands import start
from support.measured_command import vecsim, write_list
from support.on_disk import content, live, rows
from support.servers import Exchange, HostileServer, conditional, good, slow_start, status
from support.shop import phash, picture
from vecsim import Index, match
from vecsim.records import ImageRef

COUNT = 6


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """Pictures 0 to 5 at /0 to /5, each with an ETag."""
    routes = {f"/{n}": conditional(picture(n), f'"v{n}"') for n in range(COUNT)}
    with HostileServer(routes) as running:
        yield running


@pytest.fixture
def index(server: HostileServer, tmp_path: Path) -> Index:
    """An index of them, ids a to f."""
    index = Index.create(tmp_path / "index", "phash")
    report = index.add([ImageRef("abcdef"[n], server.url(f"/{n}")) for n in range(COUNT)])
    assert report.added == COUNT
    return index


def test_an_unchanged_image_costs_no_download(index: Index, server: HostileServer) -> None:
    before, sent = content(index.path), server.seen.sent
    keys = live(index.path)

    report = index.refresh()

    assert (report.unchanged, report.replaced, report.added, report.failed) == (COUNT, 0, 0, 0)
    assert server.seen.paths.total() == 2 * COUNT
    assert server.seen.sent - sent < 100 * COUNT
    assert (content(index.path), live(index.path)) == (before, keys)
    assert index.verify() == []


def test_a_changed_image_is_embedded_again_and_counts_as_added_now(
    index: Index, server: HostileServer
) -> None:
    server.routes["/2"] = conditional(picture(42), '"new"')
    moment = rows(index.path, "SELECT max(added_at) FROM images")[0][0]

    report = index.refresh()

    assert (report.unchanged, report.replaced) == (COUNT - 1, 1)
    assert [ref.id for ref in index] == ["a", "b", "d", "e", "f", "c"]
    stored = {row[0]: row[3] for row in content(index.path)}
    assert stored["c"] == phash(picture(42)).tobytes()
    assert stored["a"] == phash(picture(0)).tobytes()
    (facts,) = rows(index.path, "SELECT etag FROM images WHERE id = 'c' ORDER BY key DESC LIMIT 1")
    assert facts == ('"new"',)
    pairs = match(index, threshold=-1.0, since=_after(moment)).to_numpy()
    assert [set(pair) - {"c"} for pair in pairs[["query_id", "reference_id"]].tolist()] == [
        {other} for other in "abdef"
    ]
    assert index.refresh().unchanged == COUNT


def _after(moment: str) -> str:
    """The microsecond after a timestamp of the catalog."""
    later = datetime.fromisoformat(moment) + timedelta(microseconds=1)
    return later.isoformat(timespec="microseconds")


def test_without_etag_the_bytes_are_compared(index: Index, server: HostileServer) -> None:
    for number in range(COUNT):
        server.routes[f"/{number}"] = good(picture(number), "image/png")
    index.refresh()  # with the earlier ETag: the body is sent, with the same bytes
    sent = server.seen.sent

    report = index.refresh()

    assert (report.unchanged, report.replaced) == (COUNT, 0)
    assert server.seen.sent - sent > sum(len(picture(number)) for number in range(COUNT))
    assert not any(headers["If-None-Match"] for _, headers in server.seen.headers[-COUNT:])


def test_last_modified_is_sent_back(index: Index, server: HostileServer) -> None:
    date = "Mon, 05 Jan 2026 10:00:00 GMT"

    def modified(exchange: Exchange) -> None:
        if exchange.headers["If-Modified-Since"] == date:
            status(304)(exchange)
        else:
            good(picture(7), "image/png", Last_Modified=date)(exchange)

    server.routes["/0"] = modified
    assert index.refresh().replaced == 1
    sent = server.seen.sent
    assert index.refresh().unchanged == COUNT
    assert server.seen.sent - sent < 100 * COUNT


def test_an_image_that_fails_now_stays_as_it_was(index: Index, server: HostileServer) -> None:
    before = content(index.path)
    there = server.routes["/3"]
    server.routes["/3"] = status(404)

    ran = vecsim("refresh", index.path)

    assert ran.status == 3
    assert ran.err == (
        f"{index.path}: 5 unchanged, 0 changed, 1 failed (1 http).\n"
        f"  127.0.0.1:{server.port}: 1 http 404\n"
        f"Failed images stay in the index unchanged; `vecsim failures {index.path}` lists them.\n"
    )
    assert content(index.path) == before
    (failure,) = index.failures
    assert (failure.ref.id, failure.kind, failure.http_status) == ("d", "http", 404)
    assert index.verify() == []

    server.routes["/3"] = there
    report = index.retry()
    assert (report.unchanged, report.added, report.replaced) == (1, 0, 0)
    assert index.failures == []
    assert content(index.path) == before


def test_the_next_successful_refresh_deletes_the_failure(
    index: Index, server: HostileServer
) -> None:
    there = server.routes["/3"]
    server.routes["/3"] = status(410)
    assert index.refresh().failed == 1
    server.routes["/3"] = there
    assert index.refresh().unchanged == COUNT
    assert index.failures == []


@pytest.mark.ci
def test_permanent_failures_can_be_removed_by_their_list(
    index: Index, server: HostileServer, tmp_path: Path
) -> None:
    server.routes["/3"] = status(410)
    vecsim("refresh", index.path)
    vecsim("failures", index.path, "--output", tmp_path / "gone.csv")

    ran = vecsim("remove", index.path, "--from", tmp_path / "gone.csv")

    assert ran.err == f"{index.path}: 1 removed.\n"
    assert "d" not in index
    assert index.failures == []


def test_older_than_skips_images_checked_since(index: Index, server: HostileServer) -> None:
    _set(index.path, "UPDATE images SET fetched_at = '2026-01-01T00:00:00+00:00' WHERE key < 3")

    ran = vecsim("refresh", index.path, "--older-than", "1h")

    assert ran.err == f"{index.path}: 2 unchanged, 0 changed.\n"
    assert [server.seen.paths[f"/{n}"] for n in range(COUNT)] == [2, 2, 1, 1, 1, 1]
    assert vecsim("refresh", index.path, "--older-than", "1h").err.endswith(
        ": 0 unchanged, 0 changed.\n"
    )


def _set(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path / "catalog.db")) as connection:
        connection.execute(sql)
        connection.commit()


def test_refresh_compares_files_by_their_bytes(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.png" for n in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(picture(number))
    with Index.create(tmp_path / "files", "phash") as index:
        index.add(files)
        files[0].write_bytes(picture(50))
        files[1].unlink()
        report = index.refresh()
        assert (report.unchanged, report.replaced, report.failed) == (1, 1, 1)
        assert len(index) == 3


def test_one_url_of_many_images_is_requested_once(tmp_path: Path, server: HostileServer) -> None:
    with Index.create(tmp_path / "many", "phash") as index:
        index.add([ImageRef(str(n), server.url("/0")) for n in range(50)])
        assert index.refresh().unchanged == 50
        assert server.seen.paths["/0"] == 2
        server.routes["/0"] = conditional(picture(9), '"other"')
        assert index.refresh().replaced == 50
        assert server.seen.paths["/0"] == 3
        stored = {row[3] for row in content(index.path)}
        assert stored == {phash(picture(9)).tobytes()}


def test_an_index_of_vectors_refuses_images(tmp_path: Path) -> None:
    import numpy as np

    Index.from_vectors(tmp_path / "own", np.eye(4), list("abcd"), urls=["x"] * 4).close()
    ran = vecsim("refresh", tmp_path / "own")
    assert ran.status == 1
    assert "which is not a model of vecsim" in ran.err


@pytest.mark.parametrize("commits", [1, 4])
@pytest.mark.ci
def test_a_killed_refresh_is_resumed(tmp_path: Path, commits: int) -> None:
    """Every second picture has changed; the run dies after some commits of one image each."""
    count = 8
    with HostileServer() as server:
        for number in range(count):
            server.routes[f"/{number}"] = conditional(picture(number), f'"v{number}"')
        urls = {str(number): server.url(f"/{number}") for number in range(count)}
        index = tmp_path / "index"
        vecsim("build-index", index, write_list(tmp_path / "list.csv", urls))
        for number in range(0, count, 2):
            server.routes[f"/{number}"] = slow_start(picture(100 + number), 0.1)
        (before,) = rows(index, "SELECT value FROM counters WHERE name = 'generation'")

        options = ("--per-host", "1", "--workers", "1")
        process = start("refresh", index, *options, VECSIM_CHUNK_IMAGES="1")
        wanted = before[0] + commits
        while process.poll() is None:
            (now,) = rows(index, "SELECT value FROM counters WHERE name = 'generation'")
            if now[0] >= wanted:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.communicate()

        with Index.open(index) as opened:
            assert opened.verify() == []
            assert len(opened) == count
        assert vecsim("refresh", index).status == 0
        stored = {row[0]: row[3] for row in content(index)}
        assert stored == {
            str(n): phash(picture(n if n % 2 else 100 + n)).tobytes() for n in range(count)
        }
        assert vecsim("verify", index).status == 0
