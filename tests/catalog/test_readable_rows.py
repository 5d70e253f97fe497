"""Rows of damaged tables: each that can be read is found, with few queries that fail."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from vecsim.catalog.readable_rows import readable_rows

PAGE = 1024


@contextmanager
def damaged(path: Path, lost: list[int], count: int = 3000) -> Iterator[sqlite3.Connection]:
    """Open a table of rows with gaps between their ids, whose pages `lost` are overwritten."""
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute(f"PRAGMA page_size = {PAGE}")
        sql.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, text TEXT)")
        sql.execute("BEGIN")
        ids = (number * 3 + number // 500 * 50_000 for number in range(1, count + 1))
        sql.executemany("INSERT INTO t VALUES (?, ?)", ((each, "x" * 150) for each in ids))
        sql.execute("COMMIT")
    data = bytearray(path.read_bytes())
    for page in lost:
        data[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as sql:
        yield sql


class Counted:
    """Runs queries of `t` and counts those that fail."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql
        self.failed = 0

    def __call__(self, tail: str, values: tuple[int, ...]) -> list[tuple[Any, ...]] | None:
        try:
            return self._sql.execute(f"SELECT key, text FROM t {tail}", values).fetchall()
        except sqlite3.Error:
            self.failed += 1
            return None

    def single(self, key: int) -> list[int]:
        return [key for key, _ in self("WHERE key = ?", (key,)) or []]


@pytest.mark.parametrize("seed", range(12))
def test_every_row_that_a_query_of_its_id_finds_is_read(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    # Page 2 is the root; of about 550 pages, 12 are inside the tree and the others have rows.
    first = chance.randrange(3, 500)
    lost = [first + n for n in range(chance.choice((1, 1, 3, 40)))] + [
        chance.randrange(3, 550) for _ in range(chance.choice((0, 1, 4)))
    ]
    with damaged(tmp_path / "t.db", lost) as sql:
        single = Counted(sql)
        keys = (number * 3 + number // 500 * 50_000 for number in range(1, 3001))
        expected = [found for key in keys for found in single.single(key)]
        assert len(expected) < 3000

        query = Counted(sql)
        found = [key for key, _ in readable_rows(query, len(lost) * PAGE)]

        assert found == expected
        assert query.failed < 5 * single.failed + 50


def test_a_table_of_which_no_row_can_be_read_costs_few_queries(tmp_path: Path) -> None:
    with damaged(tmp_path / "t.db", [2]) as sql:
        query = Counted(sql)

        assert list(readable_rows(query, 1 << 20)) == []

        assert query.failed < 2000


def test_rows_behind_millions_of_lost_ids_are_read() -> None:
    """The table is a stand-in: rows 1 to 5, a damaged part, and three rows behind it."""

    def query(tail: str, values: tuple[int, ...]) -> list[tuple[int, str]] | None:
        first, count = values[0], values[-1]
        if "DESC" in tail or 6 - count < first < 9_999_000:
            return None
        if first <= 5:
            return [(first, "")]
        return [(key, "") for key in range(10_000_000, 10_000_003) if key >= first]

    found = [key for key, _ in readable_rows(query, 0)]

    assert found == [1, 2, 3, 4, 5, 10_000_000, 10_000_001, 10_000_002]


def test_a_file_full_of_damage_ends_after_queries_in_proportion_to_its_size() -> None:
    failed = 0

    def every_second(tail: str, values: tuple[int, ...]) -> list[tuple[int, str]] | None:
        nonlocal failed
        if "DESC" in tail or values[0] % 2 or values[1] > 1:
            failed += 1
            return None
        return [(values[0], "")]

    found = sum(1 for _ in readable_rows(every_second, 1 << 20))

    assert 10_000 < found < 40_000
    assert failed < 40_000
