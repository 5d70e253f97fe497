"""Ctrl-C: completed work is kept, and the same command continues."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from support.servers import Exchange, HostileServer, good

COUNT, QUICK = 120, 50


@pytest.fixture
def no_delay() -> Event:
    """Once set, the server answers without delay."""
    return Event()


@pytest.fixture
def slow(pictures: Path, no_delay: Event) -> Iterator[HostileServer]:
    """A server of many pictures; the first are sent at once, the others after a second."""
    quick = good((pictures / "2.jpg").read_bytes())

    def behave(exchange: Exchange) -> None:
        no_delay.wait(1)
        quick(exchange)

    routes = {f"/{n}.jpg": quick if n < QUICK else behave for n in range(COUNT)}
    with HostileServer(routes) as server:
        rows = [f"{number},{server.url(f'/{number}.jpg')}\n" for number in range(COUNT)]
        Path("shop.csv").write_text("id,url\n" + "".join(rows))
        yield server


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.ci
def test_an_interrupted_build_continues(
    start, vecsim, slow: HostileServer, no_delay: Event
) -> None:
    running = start("build-index", "new", "shop.csv")
    _wait(lambda: len(slow.seen.paths) >= QUICK + 32)  # the quick ones were loaded 4 s ago

    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert (running.returncode, out) == (130, b"")
    assert "Stopping: committing completed work …" in err.decode()
    assert (
        "Interrupted: completed work is kept. Run the same command again to continue."
        in err.decode()
    )
    done = len(vecsim("query", "new", "--id", "0", "-t", "-1").pairs) + 1
    assert QUICK / 2 <= done < COUNT
    assert vecsim("verify", "new").status == 0
    asked = sum(slow.seen.paths.values())

    no_delay.set()
    again = vecsim("build-index", "new", "shop.csv")

    assert again.status == 0
    assert f"new: {COUNT - done} added, {done} already known" in again.err
    assert sum(slow.seen.paths.values()) == asked + COUNT - done


@pytest.mark.ci
def test_a_terminated_match_says_how_to_continue(
    start, vecsim, slow: HostileServer, no_delay: Event
) -> None:
    running = start("match", "shop.csv", "--output", "pairs.csv")
    _wait(lambda: len(slow.seen.paths) >= QUICK + 32)

    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "Run the same command again to continue." in err.decode()
    assert not Path("pairs.csv").exists()
    no_delay.set()
    assert "already known" in vecsim("match", "shop.csv", "--output", "pairs.csv").err
    assert Path("pairs.csv").exists()


@pytest.mark.ci
def test_a_second_interrupt_ends_the_command_at_once(start, vecsim, slow: HostileServer) -> None:
    running = start("build-index", "new", "shop.csv", "--retries", "0")
    _wait(lambda: len(slow.seen.paths) > 0)

    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)

    assert running.returncode == 130
    assert b"Traceback" not in err
    assert vecsim("verify", "new").status == 0


def test_an_interrupted_query_writes_nothing(start, index: Path) -> None:
    with HostileServer({"/silent": lambda exchange: exchange.ended.wait(60)}) as server:
        running = start("query", index, "--url", server.url("/silent"), "-o", "found.csv")
        _wait(lambda: bool(server.seen.paths))

        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)

    assert (running.returncode, out) == (130, b"")
    assert err.decode().strip().startswith("Interrupted.")
    assert [path.name for path in Path().iterdir()] == ["six"]
