"""The connection to a Ray cluster: one that runs, or one started on this machine for the job."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import services, utils

from vecsim.engines.grpc_probe import check_answers
from vecsim.engines.ray_build import first_line
from vecsim.errors import ClusterError
from vecsim.hints import Action, Hint
from vecsim.machine import usable_cores

log = logging.getLogger(__name__)

CONNECT_SECONDS = 120.0
"""How long a connection to a cluster that answers may take."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to the cluster for the duration of the block. Raises `ClusterError`.

    `address`: as in `EngineOptions`. Where it is "auto" and no cluster is known, one is started on
    this machine and ends with the block. A connection that the program has already is used and left
    open. Ray would try for minutes to reach a cluster that has ended: that is found out first.
    """
    if ray.is_initialized():
        yield
        return
    found = _find_cluster(address)
    if found is None:
        log.info("No Ray cluster is running: starting one on this machine, for this work only …")
        _init(address="local", num_cpus=usable_cores(), include_dashboard=False)
    else:
        _probe(found)
        _init_in_time(found)
    # Ray prints messages about its nodes to standard output, among the results.
    ray._private.worker._worker_logs_enabled = False
    try:
        yield
    finally:
        ray.shutdown()


def _find_cluster(address: str) -> str | None:
    """Return the address to connect to; None if "auto" finds no cluster."""
    if address != "auto":
        return address
    try:
        # RAY_ADDRESS, a cluster whose processes run here, or the file of the latest `ray start`.
        found: str = services.get_ray_address_from_environment("auto", None)
    except ConnectionError:
        return None
    return found


def _probe(address: str) -> None:
    """Raise `ClusterError` unless something answers at `address` within seconds."""
    # With certificates of its own, only Ray can talk to it.
    tls = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
    try:
        check_answers(address, tls=tls)
    except OSError as error:
        raise _dead(address, first_line(error)) from error


def _dead(address: str, why: str) -> ClusterError:
    """Return the error for a cluster that does not answer; it says where the address is from."""
    source = ""
    file = utils.get_ray_address_file(None)
    if os.environ.get("RAY_ADDRESS") == address:
        source = ", which RAY_ADDRESS names,"
    elif utils.read_ray_address(None) == address:
        source = f", which {file} names,"
    return ClusterError(
        f"no Ray cluster at {address!r}: it{source} does not answer ({why}). If it has ended, "
        f"`ray stop` forgets it, and `ray start --head` starts one on this machine.",
        hint=Hint(Action.CHOOSE_CLUSTER),
    )


def _init_in_time(address: str) -> None:
    """Connect to a cluster within `CONNECT_SECONDS`. Raises `ClusterError`.

    Ray's own attempt has no limit, so it runs in another thread.
    """
    errors: list[BaseException] = []

    def connect() -> None:
        try:
            _init(address=address)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if thread.is_alive():
        raise _dead(address, f"no connection within {CONNECT_SECONDS:g} seconds")
    if errors:
        raise errors[0]


def _init(**values: Any) -> None:
    """Call `ray.init`. Raises `ClusterError`."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **values)
    except Exception as error:  # Ray raises a dozen types here
        raise ClusterError(
            f"no Ray cluster at {values['address']!r} ({first_line(error)}). `ray start --head` "
            f"starts one on this machine.",
            hint=Hint(Action.CHOOSE_CLUSTER),
        ) from error
    if main and handler is not None:
        # Ray installs a handler that ends the program.
        signal.signal(signal.SIGTERM, handler)
