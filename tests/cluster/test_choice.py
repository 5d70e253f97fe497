"""The choice of the Ray engine without Ray or a cluster, and the distribution of shards."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import pytest

from support.commands import run
from vecsim.engines.shards import DEATHS, Item, Shards, host_of
from vecsim.records import ImageRef

from .conftest import missing

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@pytest.fixture
def without_ray(tmp_path: Path) -> str:
    """A PYTHONPATH on which Ray cannot be imported."""
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "ray.py").write_text("raise ModuleNotFoundError('No module named ray')\n")
    return ":".join([str(tmp_path / "no"), *filter(None, sys.path)])


@pytest.mark.parametrize("command", ["build-index", "add", "match", "refresh"])
def test_without_ray_the_error_names_the_extra(
    command: str, without_ray: str, tmp_path: Path
) -> None:
    arguments = [] if command == "refresh" else ["list.csv"]
    said = run(command, tmp_path / "new", *arguments, "--engine", "ray", status=1,
               PYTHONPATH=without_ray)  # fmt: skip
    assert "pip install 'vecsim[ray]'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "new").exists()


def test_without_pytorch_the_error_of_the_gpu_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "torch.py").write_text("raise ModuleNotFoundError('No module named torch')")
    path = ":".join([str(tmp_path / "no"), *filter(None, sys.path)])
    said = run("match", tmp_path / "a", "--engine", "gpu", status=1, PYTHONPATH=path)
    assert "pip install 'vecsim[gpu]'" in said
    assert "Traceback" not in said


def test_the_local_engine_needs_no_ray(without_ray: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,url\n1,missing.png\n")
    run("build-index", tmp_path / "new", tmp_path / "list.csv", status=3, PYTHONPATH=without_ray)


def require_ray() -> None:
    try:
        import ray  # noqa: F401
    except ImportError:
        missing("ray is not installed (pip install 'vecsim[ray]')")


@pytest.fixture
def dead_address() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.ci
@pytest.mark.parametrize("source", ["option", "client", "RAY_ADDRESS", "file"])
def test_a_dead_cluster_is_noticed_within_ten_seconds(
    source: str, dead_address: str, tmp_path: Path
) -> None:
    require_ray()
    (tmp_path / "list.csv").write_text("id,url\n1,missing.png\n")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(dead_address)
    address = f"ray://{dead_address}" if source == "client" else dead_address
    given = ["--ray-address", address] if source in ("option", "client") else []
    environment = {"RAY_ADDRESS": dead_address} if source == "RAY_ADDRESS" else {}
    if source == "file":
        environment = {"TMPDIR": str(tmp_path), "RAY_TMPDIR": str(tmp_path)}

    began = time.monotonic()
    said = run("build-index", tmp_path / "new", tmp_path / "list.csv", "--engine", "ray", *given,
               status=1, **environment)  # fmt: skip

    # The start of Ray and the model are part of it, on a busy machine.
    assert time.monotonic() - began < 60
    assert f"no Ray cluster at '{address}'" in said
    assert "does not answer" in said
    assert "ray start --head" in said
    assert "Traceback" not in said
    named = {"RAY_ADDRESS": "which RAY_ADDRESS names", "file": "ray_current_cluster names"}
    assert named.get(source, "") in said


@pytest.mark.slow
def test_without_a_cluster_one_is_started_on_this_machine(tmp_path: Path) -> None:
    require_ray()
    shutil.copytree(PICTURES, tmp_path / "photos")
    # Ray keeps its sockets there, and the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray") as short:
        places = {"TMPDIR": short, "RAY_TMPDIR": short}
        said = run("build-index", tmp_path / "new", tmp_path / "photos", "--model", "phash",
                   "--engine", "ray", **places)  # fmt: skip
        run("match", tmp_path / "new", "--threshold", "0.7", "--engine", "ray", **places)

    assert "No Ray cluster is running: starting one on this machine" in said
    assert f"{len(list(PICTURES.iterdir()))} added" in said


def item(number: int, host: str) -> Item:
    url = f"http://{host}/{number}.png" if host else f"/{number}.png"
    return Item(number, ImageRef(str(number), url), None, host_of(url))


def numbers(items: list[Item]) -> list[int]:
    return [item.number for item in items]


def test_a_host_belongs_to_one_worker_and_files_to_any() -> None:
    shards = Shards()
    for number in range(40):
        shards.add(item(number, ["a", "b", ""][number % 3]))
    one, _ = shards.take("one", idle=True, size=10)
    assert {i.host for i in one} == {"a:80"}
    two, _ = shards.take("two", idle=True, size=10)
    assert {i.host for i in two} == {"b:80"}
    more, _ = shards.take("one", idle=False, size=30)
    assert {i.host for i in more} == {"a:80", ""}
    rest, _ = shards.take("two", idle=False, size=30)
    assert {i.host for i in rest} == {"b:80"}
    assert len(shards) == 0
    assert sorted(numbers(one + two + more + rest)) == list(range(40))


def test_an_idle_worker_takes_over_a_host_with_nothing_in_progress() -> None:
    shards = Shards()
    for number in range(8):
        shards.add(item(number, "a"))
    first, _ = shards.take("one", idle=True, size=4)
    assert shards.take("two", idle=True, size=4) == ([], False)
    shards.done(first)
    second, _ = shards.take("two", idle=True, size=4)
    assert numbers(second) == [4, 5, 6, 7]


def test_only_the_image_that_kills_workers_fails() -> None:
    shards = Shards()
    for number in range(256):
        shards.add(item(number, f"host{number % 9}"))
    done: list[int] = []
    blamed: list[int] = []
    deaths = 0
    while len(shards):
        taken, alone = shards.take(deaths, idle=True, size=256)
        if 77 in numbers(taken):
            blamed += numbers(shards.lost(taken))
            shards.forget(deaths)
            deaths += 1
            continue
        assert alone == (deaths > 0)
        shards.done(taken)
        done += numbers(taken)
    assert blamed == [77]
    assert deaths == DEATHS
    assert sorted(done) == [number for number in range(256) if number != 77]
