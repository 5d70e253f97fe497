"""The model `auto`, one on every machine, and the search for a download, which ends in time.

The networks are real: sockets on loopback that do not answer, and a name server that never does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.models import ROOT
from vecsim.models import resolve_model
from vecsim.models.diagnosis import can_download_weights


@pytest.fixture(autouse=True)
def empty_keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a machine without weights."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


def use_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Send downloads through 127.0.0.1:`port`."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextlib.contextmanager
def silent_proxy() -> Iterator[int]:
    """A proxy that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue is full, so that the kernel drops every further SYN."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("network", [silent_proxy, black_hole])
@pytest.mark.ci
def test_a_download_is_given_up_in_time_without_an_answer(
    network: Callable[[], AbstractContextManager[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with network() as port:
        use_proxy(monkeypatch, port)
        started = time.monotonic()
        assert not can_download_weights(4.0)
        assert 3 < time.monotonic() - started < 5


def test_a_download_is_given_up_at_once_if_connections_are_refused(no_network: None) -> None:
    started = time.monotonic()
    assert not can_download_weights(4.0)
    assert time.monotonic() - started < 1


def test_an_invalid_proxy_setting_is_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:http")
    assert not can_download_weights(4.0)


UNANSWERED_NAMES = """
import fcntl, socket, struct, time
with socket.socket() as lo:  # a new network namespace starts with its loopback down
    fcntl.ioctl(lo, 0x8914, struct.pack("16sh", b"lo", 1))
name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name_server.bind(("127.0.0.1", 53))
started = time.monotonic()
from vecsim.models.diagnosis import can_download_weights
print(can_download_weights(4.0), time.monotonic() - started)
"""


@pytest.mark.ci
def test_a_download_is_given_up_in_time_without_a_name_server(tmp_path: Path) -> None:
    """The process ends at once too, although its look-up goes on."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    command = 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3"'
    isolated = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--net",
        "sh",
        "-c",
        command,
        "-",
    ]
    probe = [*isolated, str(tmp_path / "resolv.conf"), sys.executable]
    environment = {key: v for key, v in os.environ.items() if not key.lower().endswith("_proxy")}
    environment["PYTHONPATH"] = str(ROOT)
    if shutil.which("unshare") is None or subprocess.run([*probe, ""], check=False).returncode:
        pytest.skip("no permission to create a network namespace")
    started = time.monotonic()
    done = subprocess.run(
        [*probe, UNANSWERED_NAMES], env=environment, capture_output=True, text=True, check=False
    )
    assert time.monotonic() - started < 8
    assert done.stderr == ""
    possible, seconds = done.stdout.split()
    assert possible == "False"
    assert 3 < float(seconds) < 5


@pytest.mark.parametrize("weights", [False, True])
def test_auto_is_the_bundled_model_with_and_without_weights_of_mobilenet(
    weights: bool, empty_keras_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if weights:
        (empty_keras_home / "models").mkdir(parents=True)
        (empty_keras_home / "models" / "mobilenet_1_0_224_tf_no_top.h5").touch()
    with silent_proxy() as port:
        use_proxy(monkeypatch, port)
        started = time.monotonic()
        assert resolve_model("auto") == ("bundled-3", None)
        assert time.monotonic() - started < 0.5
