"""Fixtures of the command line's tests: the commands in this process, and as processes."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.commands import without_progress
from support.servers import HostileServer, good
from vecsim.cli import main

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@dataclass(frozen=True)
class Ran:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """Standard output as CSV."""
        return list(csv.DictReader(io.StringIO(self.out)))

    @property
    def pairs(self) -> list[tuple[str, str, float]]:
        """Standard output as matches: query id, reference id, score."""
        return [
            (row["query_id"], row["reference_id"], float(row["score"]))
            for row in csv.DictReader(io.StringIO(self.out))
        ]


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, phash as the model, and no other variables of vecsim."""
    for name in list(os.environ):
        if name.startswith("VECSIM_") and name not in ("VECSIM_CACHE", "VECSIM_SHARED"):
            monkeypatch.delenv(name)
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VECSIM_MODEL", "phash")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def vecsim(capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run a command in this process: `vecsim("info", index)`."""

    def run(*arguments: object) -> Ran:
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        output = capsysbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, output.out.decode(), without_progress(output.err.decode()))

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command as a process, which is killed at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start_process(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "vecsim", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        # As in a terminal, also where the tests run under nohup or in the background of a shell.
        command = ["env", "--default-signal=HUP,INT", *command]
        process = subprocess.Popen(command, **pipes)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield start_process
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def process(start: Callable[..., subprocess.Popen[bytes]]) -> Run:
    """Run a command as a process and wait for its end."""

    def run(*arguments: object, **options: object) -> Ran:
        running = start(*arguments, **options)
        out, err = running.communicate(timeout=120)
        return Ran(running.returncode, (out or b"").decode(), (err or b"").decode())

    return run


@pytest.fixture
def pictures(workplace: Path) -> Path:
    """The demo's six pictures, in the folder `pics`."""
    return Path(shutil.copytree(PICTURES, workplace / "pics"))


@pytest.fixture
def first(pictures: Path) -> Path:
    """A CSV of pictures 1, 2 and 3 (two copies and their original), with titles."""
    return _csv(pictures.parent / "first.csv", {"1": "copy, large", "2": "copy", "3": "original"})


@pytest.fixture
def second(pictures: Path) -> Path:
    """A CSV of pictures 3 and 4, with titles."""
    return _csv(pictures.parent / "second.csv", {"3": "lake", "4": "poster"})


def _csv(path: Path, titles: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "title"])
        writer.writerows([number, f"pics/{number}.jpg", titles[number]] for number in titles)
    return path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the six pictures by phash, ids 1 to 6, with titles. Tests must not change it."""
    from vecsim.operations.building import build_index
    from vecsim.operations.requests import ModelChoice, RunOptions
    from vecsim.records import ImageRef

    path = tmp_path_factory.mktemp("built") / "six"
    refs = (
        ImageRef(str(number), str(PICTURES / f"{number}.jpg"), {"title": f"picture {number}"})
        for number in range(1, 7)
    )
    assert build_index(path, refs, RunOptions(ModelChoice("phash"))).added == 6
    return path


@pytest.fixture
def index(built: Path, workplace: Path) -> Path:
    """An index of the six pictures at `six`, which the test may change."""
    shutil.copytree(built, workplace / "six")
    return Path("six")


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """The six pictures at /1.jpg to /6.jpg; everything else is a 404."""
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    with HostileServer(routes) as running:
        yield running
