"""A picture that takes over a decoder process finds nothing to read there and no way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vecsim.decode import DecodeLimits, DecoderPool, decode_image
from vecsim.decode.process import DecoderProcess, _without_secrets
from vecsim.decode.wire import DecoderSettings
from vecsim.errors import ImageError
from vecsim.protocols import Preparation

SQUARE = Preparation(16, "nearest")

TAKEN_OVER = """
import json, os, socket, subprocess, sys
from vecsim import system
from vecsim.decode import process
process._load_everything()
system.open_nothing_more()
tried = {}
def attempt(name, work):
    try: work(); tried[name] = "done"
    except OSError as error: tried[name] = error.errno
attempt("read", lambda: open("/etc/hostname"))
attempt("write", lambda: open(sys.argv[1], "w"))
attempt("list", lambda: os.listdir("/"))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", 9)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("pipe", os.pipe)
attempt("copy", lambda: os.dup(1))
attempt("run", lambda: subprocess.run(["/bin/true"]))
print(json.dumps(tried))
"""


def test_a_decoder_process_can_open_nothing(tmp_path: Path) -> None:
    target = tmp_path / "written"
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_OVER, str(target)], capture_output=True, text=True, check=True
    )
    tried = json.loads(done.stdout)
    assert len(tried) == 9
    assert "done" not in tried.values(), tried
    assert not target.exists()


def test_a_running_decoder_process_has_no_room_for_files() -> None:
    process = DecoderProcess(DecoderSettings(SQUARE, DecodeLimits()))
    process.wait_until_ready()
    limits = Path(f"/proc/{process._process.pid}/limits").read_text()
    status = Path(f"/proc/{process._process.pid}/status").read_text()
    process.close()
    words = next(line.split() for line in limits.splitlines() if line.startswith("Max open files"))
    assert words[3:5] == ["0", "0"]
    assert "NoNewPrivs:\t1" in status


def test_a_decoder_process_does_not_know_secrets_of_the_environment() -> None:
    environment = {
        "PATH": "/bin", "VECSIM_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "DB_PASSWORD": "x",
        "GITHUB_AUTH": "x", "HOME": "/root", "LD_LIBRARY_PATH": "/lib",
    }  # fmt: skip
    assert sorted(_without_secrets(environment)) == ["HOME", "LD_LIBRARY_PATH", "PATH"]
    os.environ["VECSIM_TEST_TOKEN"] = "hunter2"
    process = DecoderProcess(DecoderSettings(SQUARE, DecodeLimits()))
    process.wait_until_ready()
    inherited = Path(f"/proc/{process._process.pid}/environ").read_bytes()
    process.close()
    del os.environ["VECSIM_TEST_TOKEN"]
    assert b"hunter2" not in inherited


@pytest.mark.parametrize("all_formats", [False, True])
@pytest.mark.ci
def test_pictures_of_every_kind_are_decoded_as_without_the_cage(
    shared: Path, all_formats: bool
) -> None:
    """Nothing that decoding needs is opened late: the same pixels, or the same kind of failure."""
    files = sorted(path for path in (shared / "hostile-images").iterdir() if path.is_file())
    chosen = [path.read_bytes() for path in files if path.stat().st_size < 300_000][::7]
    limits = DecodeLimits(all_formats=all_formats)

    def outcome(decode) -> object:
        try:
            found = decode()
        except ImageError as error:
            return error.kind
        return found.pixels.tobytes()

    with DecoderPool(2, SQUARE, limits) as pool:
        futures = [pool.submit(data) for data in chosen]
        for data, future in zip(chosen, futures, strict=True):
            here = outcome(lambda data=data: decode_image(data, SQUARE, limits))
            there = outcome(future.result)
            assert there == here or there == "crashed", data[:20]
    assert len(chosen) > 50
