"""What the tests of the hostile world share."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from pipeline.shop import picture


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and no proxy before the loopback server."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def image() -> bytes:
    """A JPEG of some kilobytes."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(picture(1, 300))).convert("RGB").save(stream, "JPEG", quality=95)
    return stream.getvalue()
