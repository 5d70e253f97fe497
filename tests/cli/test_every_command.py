"""What every command does alike: nothing but results with --quiet, a limit to waits for a lock."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import httpx
import numpy as np
import pytest

from support.commands import run_here, said_here
from support.web_server import environment, free_port, wait_for_port
from vecsim.cli.exit_status import ExitStatus
from vecsim.cli.group import _COMMANDS, cli
from vecsim.index.writer import Writer

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"

WELL = {
    "demo": (),
    "match": ("pictures",),
    "query": ("pictures", "pictures/1.jpg"),
    "cluster": ("pictures",),
    "apply": ("groups.csv", "--index", "moved", "--move-to", "aside"),
    "undo": ("groups.journal",),
    "decisions": ("six", "--same", "{folder}/pictures/1.jpg", "{folder}/pictures/3.jpg"),
    "calibrate": ("pictures",),
    "build-index": ("six", "pictures"),
    "add": ("six", "pictures"),
    "sync": ("six", "pictures", "--adopt"),
    "retry": ("six",),
    "refresh": ("six",),
    "remove": ("fewer", "{folder}/others/5.jpg"),
    "info": ("six",),
    "failures": ("six",),
    "verify": ("six",),
    "repair": ("six",),
    "compact": ("six",),
    "thumbnails": ("six",),
    "cache": ("clean",),
    "embed": ("pictures", "-o", "vectors.npy"),
    "import": ("own", "--features", "more.npy", "--fields", "more.csv"),
    "export": ("six", "--features", "six.npy", "--fields", "six.csv"),
    "models": (),
    "list-images": ("pictures",),
    "doctor": (),
    "completion": ("bash",),
}
"""A call of each command in which all is well; `serve` does not end and has its own test."""

READERS = {"completion", "demo", "doctor", "embed", "export", "failures", "info", "list-images"}
READERS |= {"models", "serve", "verify"}
"""Commands that take no lock of a writer."""

# It passes over indexes that are in use, and deletes the others.
NEVER_WAITS = {"cache"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and indexes of them, for all cases.

    Files of `others` are moved away by `apply`, and brought back by `undo`.
    """
    folder = tmp_path_factory.mktemp("every")
    for name in ("pictures", "others"):
        shutil.copytree(PICTURES, folder / name)
    for name, count in (("own", 2), ("more", 1)):
        np.save(folder / f"{name}.npy", np.eye(3, dtype=np.float32)[:count])
        rows = "".join(f"{name}{number},\n" for number in range(count))
        (folder / f"{name}.csv").write_text(f"id,url\n{rows}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VECSIM_MODEL", "phash")
        run_here("build-index", "six", "pictures")
        run_here("build-index", "moved", "others")
        run_here("build-index", "fewer", "others")
        run_here("cluster", "moved", "--output", "groups.csv")
        run_here("match", "pictures", "--output", "pairs.csv")
        run_here("import", "own", "--features", "own.npy", "--fields", "own.csv")
    return folder


@pytest.fixture
def place(made: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which is the current one."""
    monkeypatch.chdir(made)
    return made


def call(name: str, place: Path) -> list[str]:
    """A call of a command in which all is well; first the call that `undo` takes back."""
    if name == "undo" and not (place / "aside").exists():
        run_here(*call("apply", place))
    return [name, *(word.format(folder=place) for word in WELL[name])]


def test_the_cases_are_those_of_all_commands() -> None:
    assert {*WELL, "serve"} == {*_COMMANDS}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.ci] * (name == "demo")) for name in WELL]
)
def test_with_quiet_a_command_says_nothing_if_all_is_well(name: str, place: Path) -> None:
    assert said_here(*call(name, place), "--quiet") == ""


@pytest.mark.ci
def test_with_quiet_a_server_says_nothing(place: Path) -> None:
    port = free_port()
    command = ["serve", "six", "--port", str(port), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vecsim", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    try:
        wait_for_port(port)
        url = f"http://127.0.0.1:{port}/healthz"
        assert httpx.get(url, trust_env=False, timeout=60).is_success
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (said, process.returncode) == ("", 0)


@pytest.fixture
def locked(place: Path) -> Iterator[Path]:
    """The folder while another writer is at work in all of its indexes."""
    call("undo", place)
    with ExitStack() as opened:
        for catalog in sorted(place.rglob("catalog.db")):
            opened.enter_context(Writer(catalog.parent))
        yield place


def test_every_command_that_writes_to_an_index_gives_up_waiting(locked: Path) -> None:
    writes = [name for name in WELL if name not in READERS | NEVER_WAITS]
    for name in writes:
        said = said_here(*call(name, locked), "--lock-wait", "0.02", status=ExitStatus.LOCKED)
        who = rf"process {os.getpid()} \(since .*\)"
        found = re.search(rf"{who} is still writing .* after 0.02 s\. (.*)", said)
        assert found and "use a longer --lock-wait" in found[1], f"{name}: {said}"
        if has_option(name, "--wait"):  # else it waits by itself
            said = said_here(*call(name, locked), status=ExitStatus.LOCKED)
            assert "is writing to this index" in said and "--lock-wait SECONDS" in said


def test_only_these_commands_have_the_option() -> None:
    having = {name for name in _COMMANDS if has_option(name, "--lock-wait")}
    assert having == {*WELL} - READERS - NEVER_WAITS
    for name in having:
        waits_by_itself = name in ("match", "query", "cluster", "calibrate")
        assert has_option(name, "--wait") != waits_by_itself


def test_a_limit_that_is_no_time_is_refused(place: Path) -> None:
    for limit in ("-1", "soon", "nan"):
        said = said_here("compact", "six", "--lock-wait", limit, status=ExitStatus.WRONG_USAGE)
        assert "--lock-wait" in said or "number of seconds" in said


def has_option(name: str, option: str) -> bool:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return any(option in each.opts for each in command.params)
