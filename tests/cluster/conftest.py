"""A real cluster of several nodes on this machine: each its own raylet, with its own workers."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# On a busy machine a node starts and answers late; a killed one must be noticed within seconds.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
os.environ.setdefault("RAY_agent_register_timeout_ms", "300000")
os.environ.setdefault("RAY_health_check_timeout_ms", "60000")
os.environ.setdefault("RAY_health_check_period_ms", "1000")

# Seconds that a node may take to start, and how often it is tried: a node whose helpers take too
# long to start gives up by itself.
PATIENCE = 300
TRIES = 4


def missing(what: str) -> None:
    """Skip, saying why; fail where VECSIM_REQUIRE names ray, as CI does."""
    text = f"no tests of the cluster: {what}"
    if "ray" in os.environ.get("VECSIM_REQUIRE", "").split(","):
        pytest.fail(text)
    pytest.skip(text)


class Nodes:
    """A head that runs no work, and one-core nodes that come and go."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.nodes: list[Any] = []

    @property
    def address(self) -> str:
        """The value of `--ray-address`."""
        return str(self._cluster.address)

    @property
    def options(self) -> tuple[str, ...]:
        """The options with which a command runs on this cluster."""
        return ("--engine", "ray", "--ray-address", self.address)

    def add(self) -> Any:
        """Add a node."""
        node = self._cluster.add_node(wait=False, num_cpus=1, object_store_memory=100_000_000)
        self.nodes.append(node)
        return node

    def kill(self) -> None:
        """Kill all processes of one node, its workers included, with SIGKILL."""
        self._cluster.remove_node(self.nodes.pop(0), allow_graceful=False)

    def have(self, count: int) -> None:
        """Wait until the cluster has this many nodes; add what is missing."""
        while len(self.nodes) > count:
            self.kill()
        for _ in range(TRIES * count):
            if len(self.nodes) == count:
                break
            # One after the other: each takes a core to start.
            if not joined(self._cluster, self.add()):
                self._cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        assert len(self.nodes) == count, "nodes of the cluster do not start"
        self._cluster.wait_for_nodes(PATIENCE)


def joined(cluster: Any, node: Any) -> bool:
    """Whether `node` has become part of the cluster; False if it died before."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not node.dead_processes():
        with contextlib.suppress(TimeoutError):
            cluster.wait_for_nodes(1)
            return True
    return False


def head() -> Any:
    """A cluster of a head that runs no work."""
    from ray.cluster_utils import Cluster

    for _ in range(TRIES):
        cluster = Cluster()
        node = cluster.add_node(
            wait=False, num_cpus=0, object_store_memory=100_000_000, include_dashboard=False
        )
        if joined(cluster, node):
            return cluster
        cluster.shutdown()
    raise AssertionError("the head of the cluster does not start")


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """The cluster, which lasts as long as the tests of this folder."""
    try:
        import ray  # noqa: F401
    except ImportError:
        missing("ray is not installed (pip install 'vecsim[ray]')")
    # The nodes start their workers with this environment: no proxy before the loopback servers.
    saved = dict(os.environ)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    cluster = head()
    try:
        yield Nodes(cluster)
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(saved)
