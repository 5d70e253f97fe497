"""Many URLs, a twentieth of them faulty in every way: exactly these become failures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support.measured_command import vecsim, write_list
from support.servers.swarm import PLANTED, Swarm

HOSTS = [f"127.0.0.{number}" for number in range(1, 21)]
FAULTS = [name for name in PLANTED if name != "good"]
OPTIONS = ("--retries", 1, "--max-bytes", 1_000_000, "--workers", 32)


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_a_loaded_server_yields_exactly_the_planted_failures(
    count: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(6)
    urls: dict[str, str] = {}
    planted: dict[str, str] = {}
    with Swarm() as swarm:
        for number in range(count):
            fault = chance.random() < 0.05
            behaviour = chance.choice(FAULTS) if fault else "good"
            urls[str(number)] = swarm.url(behaviour, number, chance.choice(HOSTS))
            kind = PLANTED[behaviour]
            if kind is not None:
                planted[str(number)] = kind
        for kind, url in _never_reached(tmp_path).items():
            urls[kind], planted[kind] = url, kind
        assert set(planted.values()) >= {kind for kind in PLANTED.values() if kind}

        source = write_list(tmp_path / "list.csv", urls)
        # Of very many sound URLs none may be late, however busy the machine is.
        patience = ("--timeout", 5 if count < 100_000 else 10)
        ran = vecsim(
            *("build-index", tmp_path / "index", source, *OPTIONS, *patience), limit=count / 20 + 60
        )

    assert ran.status == 3, ran.err
    found = {row["id"]: row["kind"] for row in vecsim("failures", tmp_path / "index").rows}
    assert found == planted
    told = f"{len(urls) - len(planted):,} added, {len(planted):,} failed"
    assert told in ran.err
    assert vecsim("verify", tmp_path / "index").status == 0
    record_property("kinds", dict(Counter(found.values())))
    rate, memory = len(urls) / ran.seconds, ran.memory / 1e6
    print(f"\n{len(urls):,} URLs in {ran.seconds:.0f} s: {rate:.0f}/s, {memory:.0f} MB\n{ran.err}")


def _never_reached(tmp_path: Path) -> dict[str, str]:
    """Failure kinds that need no server, and a URL for each."""
    return {
        "bad-url": "ftp://127.0.0.1/a.jpg",
        "dns": "http://does-not-exist.invalid/a.jpg",
        "no-file": str(tmp_path / "nothing.jpg"),
    }
