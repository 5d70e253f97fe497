"""Option objects are made from the values of Click; wrong values are usage errors."""

from __future__ import annotations

from typing import Any

import click
import pytest

from vecsim.cli.group import cli
from vecsim.cli.option_objects import as_search_request, as_source_options, as_work_options
from vecsim.errors import UsageError
from vecsim.fetch import FetchOptions


def values_of(name: str, *arguments: str) -> dict[str, Any]:
    """The values that Click passes to a command."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return dict(command.make_context(name, list(arguments)).params)


def test_source_options() -> None:
    values = values_of("match", "a.csv", "--columns", "title, price", "--no-header")

    options = as_source_options(values)

    assert (options.columns, options.header, options.delimiter) == (("title", "price"), False, None)
    assert "columns" not in values and "threshold" in values


def test_work_options() -> None:
    words = ["--workers", "3", "--timeout", "5", "--header", "A: b", "--batch-size", "7"]

    work = as_work_options(values_of("match", "a.csv", *words))

    assert (work.fetch.workers, work.fetch.deadline, work.batch_size) == (3, 5.0, 7)
    assert work.fetch.headers == {"A": "b"}
    assert work.fetch.user_agent == FetchOptions().user_agent


@pytest.mark.parametrize("text", ["token", ": value"])
def test_a_header_without_a_name_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.UsageError, match="write the header as 'Name: value'"):
        as_work_options(values_of("match", "a.csv", "--header", text))


def test_a_search_request() -> None:
    values = values_of("match", "a", "-t", "0.9", "--best-only", "--since", "2026-01-31")

    request = as_search_request(values, thumbnails=True)

    assert (request.threshold, request.best_only, request.thumbnails) == (0.9, True, True)
    assert request.since is not None and request.top_k is None
    with pytest.raises(UsageError):
        as_search_request(values_of("query", "i", "--id", "1", "-t", "2"))
