"""Cores: affinity and the quotas of control groups, of both versions, from the root downwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vecsim import machine
from vecsim.machine import usable_cores


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /sys/fs/cgroup, on a machine with eight cores."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    return tmp_path


def write(groups: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"own": "0::/\n"}, 8),
        ({"own": "0::/\n", "cpu.max": "max 100000\n"}, 8),
        ({"own": "0::/\n", "cpu.max": "250000 100000\n"}, 3),
        ({"own": "0::/\n", "cpu.max": "1000 100000\n"}, 1),
        ({"own": "0::/\n", "cpu.max": "1600000 100000\n"}, 8),
        ({"own": "0::/a/b\n", "a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ({"own": "0::/of/the/host\n", "cpu.max": "200000 100000"}, 2),
        ({"own": "0::/../x\n", "cpu.max": "200000 100000"}, 2),
        ({"own": "1:cpuset:/\n0::/\n", "cpu.max": "nonsense"}, 8),
        (
            {
                "own": "3:cpu,cpuacct:/a\n2:memory:/\n",
                "cpu/a/cpu.cfs_quota_us": "150000",
                "cpu/a/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            {
                "own": "3:cpu:/\n",
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
            },
            8,
        ),
    ],
)
def test_usable_cores(groups: Path, files: dict[str, str], cores: int) -> None:
    write(groups, files)
    assert usable_cores() == cores


def test_affinity_limits_the_cores_of_this_process(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(groups, {"own": "0::/\n", "cpu.max": "400000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert usable_cores() == 1
