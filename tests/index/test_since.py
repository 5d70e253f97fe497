"""`since`: only pairs with an image added then or later, each still exact."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vecsim import Index, match


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Index, str, set[str]]:
    """An index that grew after a moment, the moment, and the ids added later."""
    rows = np.random.default_rng(1).standard_normal((120, 4))
    ids = [f"i{row * 7 % 120}" for row in range(120)]
    index = Index.from_vectors(tmp_path / "grown", rows[:50], ids[:50])
    index.add_vectors(rows[50:70], ids[50:70])
    moment = datetime.now(UTC).isoformat(timespec="microseconds")
    index.add_vectors(rows[70:], ids[70:])
    index.remove(ids[::9])
    return index, moment, set(ids[70:])


def test_since_returns_the_pairs_with_a_new_image(grown: tuple[Index, str, set[str]]) -> None:
    index, moment, new = grown
    everything = match(index, threshold=0.7).to_numpy().tolist()
    expected = [(q, r, s) for q, r, s in everything if q in new or r in new]
    assert 0 < len(expected) < len(everything)
    assert match(index, threshold=0.7, since=moment).to_numpy().tolist() == expected


def test_since_considers_new_queries_and_new_references(
    grown: tuple[Index, str, set[str]], tmp_path: Path
) -> None:
    index, moment, new = grown
    old = np.random.default_rng(2).standard_normal((30, 4))
    with Index.from_vectors(tmp_path / "late", old, [f"late{row}" for row in range(30)]) as late:
        everything = match(late, index, threshold=0.7).to_numpy().tolist()
        # All of `late` came after the moment.
        assert match(late, index, threshold=0.7, since=moment).to_numpy().tolist() == everything
        after = datetime.now(UTC).isoformat(timespec="microseconds")
        assert len(match(late, index, threshold=0.7, since=after).to_numpy()) == 0
    assert new
