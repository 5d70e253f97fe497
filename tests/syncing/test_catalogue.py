"""`vecsim sync` with a catalogue of a loopback server that changes every night."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.catalogue import Catalogue, first_night, next_night, write_catalogue
from support.commands import run, start
from support.on_disk import added_at, rows, state


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with Catalogue().open() as opened:
        yield opened


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_index_follows_a_nightly_catalogue(
    count: int, catalogue: Catalogue, tmp_path: Path
) -> None:
    share = count // 100
    index, fresh, source = tmp_path / "index", tmp_path / "fresh", tmp_path / "shop.csv"
    listed = first_night(catalogue, count)
    run("build-index", index, write_catalogue(source, listed), "--no-thumbnails")
    times = added_at(index)
    paths, changed = next_night(catalogue, listed, share)
    write_catalogue(source, listed)
    run("build-index", fresh, source, "--no-thumbnails")

    catalogue.forget()
    began = _processor_seconds()
    printed = run("sync", index, source)
    took = _processor_seconds() - began
    assert set(catalogue.requests) == paths and catalogue.requests.total() == len(paths)
    expected = f"{share} added, {share} moved, {share} with other fields, {share} removed"
    assert expected in printed
    assert took < 5
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


def _processor_seconds() -> float:
    """Of the commands that have ended: other work on this machine does not change them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.ci
def test_a_kill_at_any_time_loses_no_image(catalogue: Catalogue, tmp_path: Path) -> None:
    index, fresh, source = tmp_path / "index", tmp_path / "fresh", tmp_path / "shop.csv"
    listed = first_night(catalogue, 120)
    run("build-index", index, write_catalogue(source, listed), VECSIM_CHUNK_IMAGES="20")
    next_night(catalogue, listed, 20)
    write_catalogue(source, listed)
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


@pytest.mark.ci
def test_an_interrupted_sync_removes_nothing_and_can_be_repeated(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    index, source = tmp_path / "index", tmp_path / "shop.csv"
    listed = first_night(catalogue, 50)
    run("build-index", index, write_catalogue(source, listed))
    next_night(catalogue, listed, 5)
    write_catalogue(source, listed)
    catalogue.delay = 0.3
    with start("sync", index, source, "--workers", "1") as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted" in err
    assert {f"p{n}" for n in range(50)} <= state(index).keys()
    catalogue.delay = 0.0
    run("sync", index, source)
    assert state(index).keys() == listed.keys()
