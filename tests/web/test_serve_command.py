"""`vecsim serve` starts and stops cleanly, and refuses what it cannot serve."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers import HostileServer, slow_start
from support.web_server import PICTURES, Server, serving
from vecsim import Index
from vecsim.errors import IndexMissingError, UsageError, VecsimError
from vecsim.web import ServeOptions
from vecsim.web.server import serve

TOKEN = "a-token-of-this-test"


@pytest.mark.ci
def test_serve_command_ends_with_status_0_after_sigterm(built: Path) -> None:
    with serving(command=["-m", "vecsim", "serve", str(built), "--port", "0"]) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.client.get(server.api("indexes")).status_code == 200
        assert "token" not in server.said
        assert server.end(signal.SIGTERM) == 0


@pytest.mark.ci
def test_shutdown_finishes_open_requests(copy: Path) -> None:
    picture = (PICTURES / "1.jpg").read_bytes()
    with (
        HostileServer({"/slow.jpg": slow_start(picture, 1.0)}) as shop,
        serving(copy, allow_writes=True, allow_private=True) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        image = {"url": shop.url("/slow.jpg"), "id": "late"}
        url = server.api("indexes/six/images")
        adding = pool.submit(server.client.post, url, json={"images": [image]})
        while not shop.seen.paths["/slow.jpg"]:
            threading.Event().wait(0.02)
        server.process.send_signal(signal.SIGTERM)
        assert adding.result().json()["added"] == 1
        assert server.process.wait(20) == 0
    with Index.open(copy) as index:
        assert "late" in index


def test_serve_refuses_invalid_addresses_paths_and_tokens(
    built: Path, reader: Server, tmp_path: Path
) -> None:
    for paths, options, kind, words in (
        ([built], {"port": reader.address[1]}, VecsimError, "cannot listen there"),
        ([built], {"port": 0, "host": "999.0.0.1", "token": TOKEN}, VecsimError, "cannot listen"),
        ([tmp_path / "nope"], {"port": 0}, IndexMissingError, "not a vecsim index"),
        ([built, built], {"port": 0}, UsageError, "both are called 'six'"),
    ):
        with pytest.raises(kind, match=words):
            serve(paths, ServeOptions(**options))
    for token in ("", "a b", "é", "x" * 15):
        with pytest.raises(UsageError, match="token"):
            ServeOptions(token=token)


@pytest.mark.ci
def test_serve_warns_about_a_public_address_without_token(built: Path) -> None:
    command = ["-m", "vecsim", "serve", str(built), "--port", "0", "--host", "0.0.0.0"]
    with serving(command=[*command, "--allow-host", "127.0.0.1"]) as server:
        assert server.client.get(server.api("indexes")).status_code == 200
        assert "Require an access token with --token" in server.said
        assert server.end(signal.SIGINT) == 0


def test_serve_without_fastapi_names_the_extra_to_install(built: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; from vecsim.cli import main; "
        f"main(['serve', {json.dumps(str(built))}, '--port', '0'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "pip install 'vecsim[web]'" in ran.stderr
