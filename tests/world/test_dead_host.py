"""A list that names one dead host in most rows does not wait for a timeout in each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.measured_command import vecsim, write_list
from support.servers import Behaviour, HostileServer, good, silent
from support.shop import picture


class _Everywhere(dict[str, Behaviour]):
    """Routes that answer every path alike."""

    def get(self, path: str, default: object = None) -> Behaviour:  # type: ignore[override]
        return silent()


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("manner", ["refuses", "is silent"])
@pytest.mark.ci
def test_a_dead_host_is_skipped_and_reported(count: int, manner: str, tmp_path: Path) -> None:
    alive = HostileServer({"/a": good(picture(1), "image/png")}, address="127.0.0.2")
    dead = HostileServer(address="127.0.0.3")
    dead.routes = _Everywhere()
    with alive, dead:
        place = dead.url() if manner == "is silent" else "http://127.0.0.1:1/"
        urls = {str(n): alive.url("/a") if n % 100 == 0 else f"{place}{n}" for n in range(count)}
        source = write_list(tmp_path / "list.csv", urls)
        options = ("--timeout", 3, "--workers", 32, "--per-host", 32)
        ran = vecsim("build-index", "index", source, *options, limit=60 + count / 200)
        asked = dead.seen.paths.total()

    gone = count - count // 100
    assert ran.status == 3, ran.err
    assert f"index: {count // 100:,} added, {gone:,} failed" in ran.err
    assert asked <= 100
    (line,) = [line for line in ran.err.splitlines() if line.startswith("  ")]
    assert line.startswith(f"  {place[7:-1]}: ")
    assert "not tried after repeated failures of the host" in line
    rows = vecsim("failures", "index").rows
    assert len(rows) == gone
    tried = [row for row in rows if row["attempts"] != "0"]
    assert 0 < len(tried) <= 100
    assert all("was given up" in row["message"] for row in rows if row["attempts"] == "0")
    print(f"\n{count:,} rows in {ran.seconds:.0f} s, {ran.memory / 1e6:.0f} MB: {line}")
