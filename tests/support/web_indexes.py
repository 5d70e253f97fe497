"""Fixtures of two indexes to serve, for tests of the web server and of its pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.web_server import PICTURES
from vecsim import Index
from vecsim.errors import FAILURE_KINDS
from vecsim.operations.building import build_index
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import ImageRef

HOSTILE_ID = '"><img src=x onerror=alert(1)>/../é?&#'


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phash index: demo pictures 1 to 6, an id with special characters, a failure."""
    path = tmp_path_factory.mktemp("built") / "six"
    refs = [
        ImageRef(
            str(number), str(PICTURES / f"{number}.jpg"), {"title": f"<b>picture</b> {number}"}
        )
        for number in range(1, 7)
    ]
    refs.append(ImageRef(HOSTILE_ID, str(PICTURES / "6.jpg"), {"title": "<script>"}))
    refs.append(ImageRef("gone", "/nowhere/<i>gone</i>.jpg"))
    report = build_index(path, refs, RunOptions(ModelChoice("phash")))
    assert (report.added, report.failed) == (7, 1)
    assert "no-file" in FAILURE_KINDS
    return path


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 300 external vectors with the ids v0 to v299."""
    path = tmp_path_factory.mktemp("built") / "vectors"
    made = np.random.default_rng(7).standard_normal((300, 24)).astype(np.float32)
    made[100:130] = made[:30] + 0.1 * made[130:160]
    Index.from_vectors(path, made, [f"v{row}" for row in range(300)]).close()
    return path
