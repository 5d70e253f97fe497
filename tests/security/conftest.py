"""Fixtures: an index of a stranger, files of the user beside it, and a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from support.limited_time import limited_time
from support.on_disk import make_in_chunks
from support.security.world import facts
from support.web_indexes import built  # noqa: F401 (a fixture)
from support.web_server import Server, serving
from vecsim.cli import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed index of three segments and 30 images."""
    vectors = np.random.default_rng(0).standard_normal((30, 8))
    make_in_chunks(tmp_path / "i", vectors, [str(row) for row in range(30)], [15, 25]).close()
    return tmp_path / "i"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of the user's, which the test must leave as it is."""
    folder = tmp_path / "victim"
    (folder / "sub").mkdir(parents=True)
    for name in ("tax.txt", "bashrc", "sub/deep.txt"):
        (folder / name).write_text(name)
    before = facts(folder)
    yield folder
    assert facts(folder) == before


@pytest.fixture(scope="module")
def server(built: Path) -> Iterator[Server]:  # noqa: F811
    """A server of the index `built`, with all limits as by default."""
    with serving(built) as running:
        yield running


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in this process, for a minute of its time at most; it must fail with status 1.

    Returns what it says on standard output and error.
    """
    monkeypatch.setenv("VECSIM_MODEL", "phash")

    def run(*arguments: object) -> str:
        with limited_time(60), pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        assert end.value.code == 1
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run
