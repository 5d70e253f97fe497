"""What starting a command costs, beside a process that only imports the outside libraries it needs.

Compared are calls of functions and peak memory, in one run: other work on the machine changes
neither. A command that costs half more than it did fails. What makes it dearer on purpose changes
the figures here; `python benchmarks/start_up.py` shows what that means in seconds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from support.costs import calls_of, cost_of

GROWN = 1.4
"""Half more is found for certain; the differences between versions of libraries are not."""

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "images" / "3.jpg"
COMMAND = "from vecsim.cli.process import main; main()"


@dataclass(frozen=True)
class Case:
    """What runs, with which arguments; the imports that it is compared with; both ratios."""

    code: str
    arguments: tuple[object, ...]
    imports: str
    calls: float
    memory: float


CASES = {
    "import vecsim": Case("import vecsim", (), "import typing", 1.11, 1.01),
    "--help": Case(COMMAND, ("--help",), "import click, numpy", 0.80, 0.87),
    "info": Case(COMMAND, ("info", "six"), "import click, numpy, portalocker", 1.70, 1.54),
    "match": Case(COMMAND, ("match", "six", "six"), "import click, numpy, portalocker", 1.73, 1.54),
    "query": Case(
        COMMAND,
        ("query", "six", "--url", PICTURE),
        "import click, numpy, portalocker, PIL.Image",
        1.75,
        1.71,
    ),
}
NAMES = [name if name == "--help" else pytest.param(name, marks=pytest.mark.ci) for name in CASES]
calls_of_imports = cache(calls_of)


@pytest.mark.parametrize("name", NAMES)
def test_no_command_calls_half_more_functions(name: str, index: Path) -> None:
    case = CASES[name]
    found = calls_of(case.code, *case.arguments) / calls_of_imports(case.imports)
    assert found <= GROWN * case.calls, f"{found:.2f} times the calls of: {case.imports}"


@pytest.mark.parametrize("name", NAMES)
def test_no_command_needs_half_more_memory(name: str, index: Path) -> None:
    case = CASES[name]
    command = [sys.executable, "-c", case.code, *case.arguments]
    baseline = [sys.executable, "-c", case.imports]
    found = cost_of(command).peak_mb / cost_of(baseline).peak_mb
    assert found <= GROWN * case.memory, f"{found:.2f} times the memory of: {case.imports}"


@pytest.mark.ci
def test_half_more_is_found() -> None:
    """Help that imports as much again as half of what it did is found, and help itself is not."""
    limit = GROWN * calls_of(COMMAND, "--help")
    more = f"import numpy.testing; {COMMAND}"
    assert calls_of(COMMAND, "--help") <= limit
    assert calls_of(more, "--help") > limit
