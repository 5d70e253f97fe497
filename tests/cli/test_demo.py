"""`vecsim demo`, the command that new users run first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SIX = [("1", "3"), ("2", "3"), ("3", "3"), ("4", "4"), ("5", "5"), ("6", "5")]


def _pairs(table: str) -> list[tuple[str, str]]:
    """The ids in the table of matches: lines with two titles and a score."""
    found = re.findall(r"^(\d)  .*  (\d)  .*  \d\.\d{6}$", table, re.MULTILINE)
    return [(query, reference) for query, reference in found]


def test_the_demo_finds_its_six_pairs(process) -> None:
    ran = process("demo")

    assert ran.status == 0
    assert _pairs(ran.out) == SIX
    assert ran.out.count("*") == 6
    assert "Now with your own pictures:" in ran.err
    assert "by phash" in ran.err
    assert list(Path().iterdir()) == []


@pytest.mark.ci
def test_keep_keeps_the_indexes_of_the_demo(vecsim) -> None:
    for _ in range(2):  # the second run finds the indexes of the first
        assert vecsim("demo", "--keep", "mine").status == 0

    ran = vecsim("match", "mine/test1", "mine/test2", "--best-only")

    assert [pair[:2] for pair in ran.pairs] == SIX
    assert ran.rows[0]["query_title"] == "The Lake of Two Moons (marketplace photo)"


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.ci
def test_the_output_of_the_demo_fits_the_terminal(columns: str, vecsim, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    ran = vecsim("demo")

    assert max(map(len, ran.out.splitlines())) <= int(columns)
    assert "Columns that do not fit" not in ran.out


@pytest.mark.ci
def test_the_demo_with_mobilenet(process, shared: Path) -> None:
    weights = shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"

    ran = process("demo", "--model", "mobilenet-0.75-224", "--weights", weights)

    assert ran.status == 0
    assert _pairs(ran.out) == SIX
    assert "threshold, 0.845" in ran.err
