"""The order of matches: queries, then falling scores, then ids as text; and distinct keys."""

from dataclasses import replace

import numpy as np
import pytest

from vecsim import Index
from vecsim.catalog.images import ImageTable
from vecsim.index import match_blocks
from vecsim.index.image_rows import distinct_keys
from vecsim.index.match_blocks import sorted_with_rows
from vecsim.index.snapshot import Snapshot
from vecsim.results import Pairs

COUNT = 120


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """An index whose ids, "0" to "119", are ordered otherwise as text than by their keys."""
    path = tmp_path_factory.mktemp("blocks") / "index"
    vectors = np.random.default_rng(1).standard_normal((COUNT, 4))
    Index.from_vectors(path, vectors, [str(row) for row in range(COUNT)]).close()
    with Snapshot(path) as opened:
        yield opened


def some_pairs(snapshot, scores, seed, turned):
    """Half of all pairs of the index, shuffled, with some of `scores`."""
    random = np.random.default_rng(seed)
    keys = snapshot.keys()
    rows = random.permutation(COUNT * COUNT)[: COUNT * COUNT // 2]
    query, reference = np.divmod(rows, COUNT)
    orientation = random.integers(0, 8, len(rows)) if turned else None
    return Pairs(keys[query], keys[reference], random.choice(scores, len(rows)), orientation)


@pytest.mark.parametrize("max_bits", [63, 0], ids=["as numbers", "of very many images"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "scores",
    [
        [1.0],
        [-1.0, 0.0, 1.0],
        [0.5, 0.500001, 0.499999],
        np.rint(1e6 * np.linspace(-1, 1, 5_001)) / 1e6,
        np.rint(np.linspace(-1e6, 1e6, 2_000_001)) / 1e6,
    ],
    ids=["one", "ends", "near", "some", "all"],
)
def test_pairs_are_sorted_by_query_score_and_id(snapshot, scores, turned, max_bits, monkeypatch):
    monkeypatch.setattr(match_blocks, "_MAX_BITS", max_bits)
    pairs = some_pairs(snapshot, scores, len(scores), turned)
    block = sorted_with_rows(pairs, snapshot, snapshot)
    ids = dict(zip(snapshot.keys().tolist(), map(str, range(COUNT)), strict=True))

    def listed(found):
        columns = (found.query, found.reference, found.score, found.orientations)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    wanted = sorted(listed(pairs), key=lambda pair: (pair[0], -pair[2], ids[pair[1]]))
    assert listed(block.pairs) == wanted
    assert (block.pairs.orientation is None) is not turned
    assert block.references.ids(block.pairs.reference).tolist() == [ids[p[1]] for p in wanted]


def test_no_pairs_are_sorted_too(snapshot):
    block = sorted_with_rows(Pairs.empty(), snapshot, snapshot)
    assert not len(block.pairs)
    assert not len(block.queries)
    turned = replace(Pairs.empty(), orientation=np.empty(0, np.int64))
    assert not len(sorted_with_rows(turned, snapshot, snapshot).pairs)


@pytest.mark.parametrize(
    "keys", [[], [5], [7, 7, 3], [1, 10**12, 1], list(range(9, 0, -1)), [4, 8, 6, 4, 8]]
)
def test_distinct_keys_and_the_place_of_each(keys):
    distinct, places = distinct_keys(np.array(keys, np.int64))
    assert distinct.tolist() == sorted(set(keys))
    assert distinct[places].tolist() == keys


def test_rows_of_vectors_alone_are_read_once(snapshot, monkeypatch):
    """No image of the index has bytes, so that nothing is asked about them before the addresses."""
    read, names_by_key = [], ImageTable.names_by_key

    def counted(table, keys):
        keys = list(keys)
        read.extend(keys)
        return names_by_key(table, keys)

    monkeypatch.setattr(ImageTable, "names_by_key", counted)
    monkeypatch.setattr(snapshot, "_names", {})
    keys = snapshot.keys()
    scores = np.arange(COUNT) / 1e6
    scores[7] = scores[8]  # ties are decided by ids, of the tied ones alone
    block = sorted_with_rows(Pairs(np.full(COUNT, keys[0]), keys, scores), snapshot, snapshot)
    assert not block.queries.any_bytes() and not block.references.any_bytes()
    assert {ref.id for ref in block.references.references(keys)} == set(map(str, range(COUNT)))
    assert read == keys[[7, 8]].tolist()
    assert block.references.ids(keys).tolist() == list(map(str, range(COUNT)))
    assert sorted(read) == keys.tolist()
