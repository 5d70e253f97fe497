"""Arguments of the library mean the same as on the command line, and wrong ones are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vecsim import Index, match
from vecsim.errors import UsageError


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index.from_vectors(tmp_path / "index", np.eye(3)[[0, 0, 1]], ids="abc")


def test_since_takes_what_the_command_line_takes(index: Index) -> None:
    now = datetime.now(UTC)
    before, after = now - timedelta(hours=1), now + timedelta(hours=1)
    far = timezone(timedelta(hours=9))
    forms: list[tuple[Any, Any]] = [
        ("7d", after),
        (before, after),
        (before.astimezone(far), after.astimezone(far)),
        (before.isoformat(), after.isoformat()),
        (before.strftime("%Y-%m-%dT%H:%M:%SZ"), after.strftime("%Y-%m-%dT%H:%M:%SZ")),
        (f"{before:%Y-%m-%d %H:%M:%S+00:00}", f"{after:%Y-%m-%d %H:%M:%S+00:00}"),
        (now.date() - timedelta(days=2), now.date() + timedelta(days=2)),
        (before.astimezone().replace(tzinfo=None), after.astimezone().replace(tzinfo=None)),
    ]
    for early, late in forms:
        assert len(match(index, threshold=0.9, since=early).to_numpy()) == 1, early
        assert len(match(index, threshold=0.9, since=late).to_numpy()) == 0, late


@pytest.mark.parametrize("since", ["soon", "", "2026-13-01", "7x", 7, date.max, b"7d", True])
def test_what_is_no_time_is_refused(index: Index, since: Any) -> None:
    if since is date.max:
        since = "999999999d"
    with pytest.raises(UsageError, match="is not a time"):
        match(index, threshold=0.9, since=since)
    with pytest.raises(UsageError, match="is not a time"):
        index.refresh(older_than=since)


@pytest.mark.parametrize("threshold", ["0.5", True, float("nan"), 1.5, [0.5], 1j, np.bool_(True)])
def test_what_is_no_threshold_is_refused(index: Index, threshold: Any) -> None:
    with pytest.raises(UsageError, match="threshold"):
        match(index, threshold=threshold)
    with pytest.raises(UsageError, match="threshold"):
        index.query_ids("a", threshold=threshold)
    with pytest.raises(UsageError, match="threshold"):
        index.clusters(threshold=threshold)


@pytest.mark.parametrize("top_k", [1.5, 2**63, 0, -1, True, "3", float("nan"), np.float32(2)])
def test_what_is_no_count_is_refused(index: Index, top_k: Any) -> None:
    with pytest.raises(UsageError, match=r"top_k=.*: must be a whole number from 1 to"):
        index.query_ids("a", top_k=top_k)
    with pytest.raises(UsageError, match=r"skip_placeholders=.*: must be a whole number from 2"):
        index.query_ids("a", threshold=0.5, skip_placeholders=top_k)


def test_numbers_of_numpy_are_numbers(index: Index) -> None:
    assert len(index.query_ids("a", top_k=np.int64(2)).to_numpy()) == 2  # type: ignore[arg-type]
    assert len(match(index, threshold=np.float32(0.5)).to_numpy()) == 1  # type: ignore[arg-type]
    assert len(match(index, threshold=1).to_numpy()) == 1
