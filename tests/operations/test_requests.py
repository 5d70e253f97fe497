"""Options of operations: invalid values are refused where the object is made."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event

import numpy as np
import pytest

from vecsim.errors import InputError, UsageError, VectorError
from vecsim.operations.external_vectors import VectorTable
from vecsim.operations.requests import RunOptions, SearchRequest, parse_timestamp

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize("threshold", [-1.01, 1.01, float("nan"), float("inf")])
def test_a_threshold_outside_the_cosines_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="between -1 and 1"):
        SearchRequest(threshold)


@pytest.mark.parametrize("threshold", [-1, 0, 1, np.float32(0.5)])
def test_a_threshold_becomes_a_python_float(threshold: float) -> None:
    value = SearchRequest(threshold).threshold
    assert type(value) is float and value == threshold


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 0.9, "top_k": 3}, "not for both"),
        ({"top_k": 0}, "whole number from 1"),
        ({"top_k": -1}, "whole number from 1"),
        ({"skip_placeholders": 1}, "whole number from 2"),
    ],
)
def test_an_invalid_search_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SearchRequest(**values)


def test_an_unknown_policy_for_duplicates_is_refused() -> None:
    with pytest.raises(UsageError, match="on_duplicate='merge': choose one of error, skip, replac"):
        RunOptions(on_duplicate="merge")


def test_a_run_is_stopped_by_its_event_only() -> None:
    stop = Event()
    options = RunOptions(stop=stop)
    assert not options.stopped and not RunOptions().stopped
    stop.set()
    assert options.stopped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:00+02:00", "2026-01-31T06:00:00.000000+00:00"),
        (" 36h ", "2026-03-07T00:00:00.000000+00:00"),
        ("7 d", "2026-03-01T12:00:00.000000+00:00"),
        ("90m", "2026-03-08T10:30:00.000000+00:00"),
        ("2w", "2026-02-22T12:00:00.000000+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: str) -> None:
    assert parse_timestamp(text, NOW) == expected


def test_a_date_without_a_zone_is_local() -> None:
    local = datetime(2026, 1, 31).astimezone(UTC)
    assert datetime.fromisoformat(parse_timestamp("2026-01-31")) == local


@pytest.mark.parametrize("text", ["", "yesterday", "7y", "-7d", "2026-13-01", f"{10**9}w"])
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_timestamp(text, NOW)


def test_a_table_of_vectors_names_its_rows() -> None:
    table = VectorTable(np.array([[3, 4], [0, 2]]), [7, "b"], ["u7", "ub"], [{"n": "1"}, {}])
    first, second = table.images(0, 10)
    assert (len(table), table.dim) == (2, 2)
    assert (first.ref.id, first.ref.url, dict(first.ref.fields)) == ("7", "u7", {"n": "1"})
    assert first.vector.tolist() == pytest.approx([0.6, 0.8])
    assert (second.ref.id, second.vector.tolist()) == ("b", [0.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([1.0, 2.0], ["a", "b"]), VectorError),
        ((np.empty((2, 0)), ["a", "b"]), VectorError),
        (([[1.0]], ["a", "b"]), InputError),
        (([[1.0]], ["a"], []), InputError),
        (([[1.0]], ["a"], None, [{}, {}]), InputError),
    ],
    ids=["one row", "no dimensions", "ids", "urls", "fields"],
)
def test_a_table_whose_columns_disagree_is_refused(arguments: tuple, error: type) -> None:
    with pytest.raises(error):
        VectorTable(*arguments)
