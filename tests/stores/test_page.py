"""The page about databases: its examples run against real ones."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.examples import ROOT, Runner, blocks, environment
from support.stores import KINDS

PAGE = ROOT / "docs" / "how-to" / "move-to-database.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS.values():
        kind.require()
    pytest.importorskip("polars")
    import psycopg

    address = KINDS["pgvector"].address(tmp_path)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    home, programs = tmp_path / "home", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    monkeypatch.setenv("PGHOST", parse_qs(urlsplit(address).query)["host"][0])
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.chdir(home)
    runner = Runner(home, environment(home, "http://127.0.0.1:1", programs))
    for block in blocks(PAGE):
        runner.run(PAGE, block)
