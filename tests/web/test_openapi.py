"""The API does what its own description says; whatever fits the description, or does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from web.serving import Server, environment, serving

DOCS = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"

# `unsupported_method` is of schemathesis' own making and tested in test_door.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def fuzzed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may be changed, and is not patient with names that do not exist."""
    path = shutil.copytree(built, tmp_path_factory.mktemp("fuzzed") / "six")
    with serving(path, allow_writes=True, fetch_seconds=1) as server:
        yield server


def _fuzz(server: Server, phases: str, examples: int, folder: Path) -> None:
    """Run schemathesis, as its users do, over every operation."""
    options = {"--checks": ",".join(CHECKS), "--phases": phases, "--max-examples": str(examples)}
    options |= {"--mode": "all", "--seed": "3", "--suppress-health-check": "all"}
    command = [sys.executable, "-m", "schemathesis.cli", "run", server.api("openapi.json")]
    ran = subprocess.run(
        [*command, *(word for option in options.items() for word in option)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=1800,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert server.alive()


def test_nothing_that_fits_the_description_or_does_not_breaks_it(
    fuzzed: Server, tmp_path: Path
) -> None:
    _fuzz(fuzzed, "examples,fuzzing", 5, tmp_path)


@pytest.mark.slow
def test_nothing_breaks_it_in_the_long_run(fuzzed: Server, tmp_path: Path) -> None:
    _fuzz(fuzzed, "examples,coverage,fuzzing,stateful", 200, tmp_path)
