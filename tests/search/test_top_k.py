"""Top-k against the oracle: several blocks, ties, removed rows, k beyond the end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import oracle
from support.searching import listed, search_cases, split_into_blocks
from vecsim.errors import UsageError
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.score import normalise
from vecsim.search.top_k import top_k


@given(
    search_cases(), st.sampled_from([1, 2, 3, 10, 100]), st.lists(st.integers(0, 40), max_size=3)
)
def test_top_k_finds_the_best_of_the_oracle_and_all_ties(case, k, bounds):
    queries, references, alive, _ = case
    found = top_k(queries, split_into_blocks(references, alive, np.array(bounds, np.int64)), k)
    assert listed(found) == oracle.top_k(queries, references, k, alive)


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.ci
def test_result_does_not_depend_on_the_batch_size(k):
    random = np.random.default_rng(3)
    references = normalise(random.standard_normal((5000, 24)))
    references[100:200] = references[0]
    queries = np.concatenate([normalise(random.standard_normal((995, 24))), references[:5]])
    blocks = [ReferenceBlock(references[:2100]), ReferenceBlock(references[2100:])]
    truth = oracle.top_k(queries, references, k)
    for batch in (1, 1000):
        found = []
        for start in range(0, 1000, batch):
            pairs = top_k(queries[start : start + batch], blocks, k)
            found += [(start + q, r, s) for q, r, s in listed(pairs)]
        assert found == truth, f"in batches of {batch}"


def test_ever_better_references_replace_the_best_so_far():
    """Every reference beats all before it, so the threshold rises with each block of work."""
    angles = np.linspace(1.5, 0, 10_000)
    references = normalise(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    found = top_k(references[-1:], [ReferenceBlock(references)], 3)
    assert listed(found) == oracle.top_k(references[-1:], references, 3)


def test_no_blocks_no_queries_or_none_alive_give_no_pairs():
    some, none = normalise(np.ones((2, 5))), np.empty((0, 5), np.float32)
    assert len(top_k(some, [], 3)) == 0
    assert len(top_k(none, [ReferenceBlock(some)], 3)) == 0
    assert (
        len(
            top_k(
                some, [ReferenceBlock(none), ReferenceBlock(some, alive=np.zeros(2, np.bool_))], 3
            )
        )
        == 0
    )


def test_k_below_one_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        top_k(np.ones((1, 1), np.float32), [], 0)
