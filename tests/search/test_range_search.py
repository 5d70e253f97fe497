"""Range search against the oracle, on every kind of difficult vectors."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import oracle
from support.searching import listed, search_cases
from vecsim.errors import UsageError
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise


def faiss_like(references):
    """A proposer that searches like FAISS: strictly, in float32."""

    def propose(queries, threshold):
        rows, columns = np.nonzero(queries @ references.T > np.float32(threshold))
        return rows.astype(np.int64), columns.astype(np.int64)

    return propose


@given(search_cases(), st.booleans(), st.integers(0, 3))
def test_range_search_finds_exactly_the_pairs_of_the_oracle(case, proposed, first):
    queries, references, alive, threshold = case
    block = ReferenceBlock(references, faiss_like(references) if proposed else None, alive=alive)
    # What FAISS proposes is asked for in large blocks only.
    with patch("vecsim.search.range_search.MIN_REFERENCES", 1):
        found = range_search(queries, block, threshold, first=first)
    assert listed(found) == oracle.range_search(queries, references, threshold, alive, first)
    assert found.query.dtype == found.reference.dtype == np.int64


@pytest.mark.parametrize("batch", [1, 1000])
@pytest.mark.parametrize("threshold", [0.3, 0.8, 1.0])
def test_result_does_not_depend_on_the_batch_size(batch, threshold):
    random = np.random.default_rng(3)
    references = normalise(random.standard_normal((3000, 24)))
    queries = np.concatenate([normalise(random.standard_normal((995, 24))), references[:5]])
    block = ReferenceBlock(references)
    found = []
    for start in range(0, 1000, batch):
        pairs = range_search(queries[start : start + batch], block, threshold)
        found += [(start + q, r, s) for q, r, s in listed(pairs)]
    assert found == oracle.range_search(queries, references, threshold)


def test_threshold_minus_one_finds_every_pair_and_one_the_identical():
    rows = normalise(np.random.default_rng(4).standard_normal((30, 2048)))
    rows[7] = -rows[3]
    assert len(range_search(rows, ReferenceBlock(rows), -1.0)) == 900
    assert listed(range_search(rows, ReferenceBlock(rows), 1.0)) == [(i, i, 1.0) for i in range(30)]


def test_no_queries_no_references_or_none_alive_give_no_pairs():
    none, some = np.empty((0, 5), np.float32), normalise(np.ones((2, 5)))
    dead = ReferenceBlock(some, alive=np.zeros(2, np.bool_))
    for queries, block in [
        (none, ReferenceBlock(some)),
        (some, ReferenceBlock(none)),
        (some, dead),
    ]:
        assert len(range_search(queries, block, -1.0)) == 0
    assert len(range_search(some, ReferenceBlock(some), -1.0, first=2)) == 0


def test_threshold_outside_minus_one_to_one_is_refused():
    with pytest.raises(UsageError):
        range_search(np.ones((1, 1), np.float32), ReferenceBlock(np.ones((1, 1), np.float32)), 1.5)
