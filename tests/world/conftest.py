"""Fixtures of the tests against hostile servers and files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.commands import without_progress
from support.measured_command import Ran
from support.shop import picture
from vecsim.cli import main


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no proxy before the loopback server."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VECSIM_MODEL", "phash")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def inside(capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Run a command in this process, which is quicker than to start one."""

    def run(*arguments: object) -> Ran:
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsysbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, said.out.decode(), without_progress(said.err.decode()))

    return run


@pytest.fixture(scope="session")
def image() -> bytes:
    """A JPEG of some kilobytes."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(picture(1, 300))).convert("RGB").save(stream, "JPEG", quality=95)
    return stream.getvalue()
