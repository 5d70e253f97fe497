"""Options that say how long a command waits while another process writes to an index."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from vecsim.cli.parameters import options_under

F = TypeVar("F", bound=Callable[..., Any])

_index = options_under("Index options")

_wait = _index("--wait", is_flag=True, help="Wait while another process writes to the index.")
_at_most = _index(
    "--lock-wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long at most while another process writes to the index.",
)
_for_sources_at_most = options_under("Source options")(
    "--lock-wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long at most while another process writes to a source's index "
    "[default: no limit].",
)


def wait_option(function: F) -> F:
    """Add --wait and --lock-wait, passed as `wait`: True, or the seconds to wait at most."""

    @wraps(function)
    def with_wait(*args: Any, wait: bool, lock_wait: float | None, **values: Any) -> Any:
        return function(*args, wait=wait if lock_wait is None else lock_wait, **values)

    return cast(F, _wait(_at_most(with_wait)))


def source_wait_option(function: F) -> F:
    """Add --lock-wait to a command that indexes sources, passed as `wait`; True without it."""

    @wraps(function)
    def with_wait(*args: Any, lock_wait: float | None, **values: Any) -> Any:
        return function(*args, wait=True if lock_wait is None else lock_wait, **values)

    return cast(F, _for_sources_at_most(with_wait))
