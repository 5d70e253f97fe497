"""A picture that takes over a decoder process finds nothing to read there and no way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.decoders import decoder_processes
from support.pictures import file_of, photograph
from vecsim.decode import DecodeLimits, DecoderPool, decode_image
from vecsim.decode.template import _without_secrets, close_template
from vecsim.errors import ImageError
from vecsim.protocols import Preparation

SQUARE = Preparation(16, "nearest")
PICTURE = file_of(photograph(), "PNG")

TAKEN_OVER = """
import json, os, socket, subprocess, sys
from vecsim import system
from vecsim.decode import worker
worker.load_everything()
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
    with DecoderPool(1, SQUARE) as pool:
        pool.submit(PICTURE).result()
        (process,) = decoder_processes()
        limits = Path(f"/proc/{process}/limits").read_text()
        status = Path(f"/proc/{process}/status").read_text()
        files = os.listdir(f"/proc/{process}/fd")
    words = next(line.split() for line in limits.splitlines() if line.startswith("Max open files"))
    assert words[3:5] == ["0", "0"]
    assert "NoNewPrivs:\t1" in status
    assert sorted(files) == ["0", "1", "2"]  # nothing of the template, such as its socket


def test_a_decoder_process_does_not_know_secrets_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "PATH": "/bin", "VECSIM_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "DB_PASSWORD": "x",
        "GITHUB_AUTH": "x", "HOME": "/root", "LD_LIBRARY_PATH": "/lib",
    }  # fmt: skip
    assert sorted(_without_secrets(environment)) == ["HOME", "LD_LIBRARY_PATH", "PATH"]
    close_template()
    monkeypatch.setenv("VECSIM_TEST_TOKEN", "hunter2")
    with DecoderPool(1, SQUARE) as pool:
        pool.submit(PICTURE).result()
        (process,) = decoder_processes()
        inherited = Path(f"/proc/{process}/environ").read_bytes()
    assert b"PATH=" in inherited
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
