"""Blocks of matches: pairs in their final order, with the rows of their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.index.image_rows import ImageRows, KnownRows, StoredRows, distinct_keys
from vecsim.index.snapshot import Snapshot
from vecsim.orientations import NAMES
from vecsim.records import Bool, Int64
from vecsim.results import Pairs

# A pair as one number to sort by: its query, how far its score is below 1, its reference, and its
# orientation, from the highest bits to the lowest.
_SCORES_PER_UNIT = 1_000_000
_SCORE_BITS = 21  # whole numbers up to 2 * _SCORES_PER_UNIT
_ORIENTATION_BITS = (len(NAMES) - 1).bit_length()
_MAX_BITS = 63
# With so many pairs of each reference, ties are likely: all references are sorted by id at once.
_MANY_PAIRS = 8
_PAIRS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class MatchBlock:
    """Some pairs by key, in their final order, and the rows of all images in them.

    `query_thumbnails`: JPEG files by key, where the queries come from no index.
    """

    pairs: Pairs
    queries: ImageRows
    references: ImageRows
    query_thumbnails: Mapping[int, bytes] = field(default_factory=dict)


ReadRows: TypeAlias = Callable[[Sequence[int]], Mapping[int, ImageRow]]
"""Reads the rows of images by key, perhaps from memory."""


def sorted_with_rows(
    pairs: Pairs,
    queries: Snapshot | None,
    references: Snapshot,
    read_rows: ReadRows | None = None,
) -> MatchBlock:
    """Put `pairs` (by key) in their final order and look up the rows of their images.

    Queries come in the order of their keys, each one's pairs by falling score, then by reference id
    as text. `queries` is None where the queries come from no index; then the block has no rows for
    them, and `read_rows`, if given, reads those of the references.
    """
    query_keys, query_places = distinct_keys(pairs.query)
    reference_keys, reference_places = distinct_keys(pairs.reference)
    query_rows: ImageRows
    reference_rows: ImageRows
    if queries is not None:
        query_rows = StoredRows(queries, query_keys)
        reference_rows = StoredRows(references, reference_keys)
    else:
        # Few rows, of which all columns are shown, perhaps when the index is closed again.
        known = (read_rows or references.rows)(reference_keys.tolist())
        query_rows, reference_rows = KnownRows({}), KnownRows(known)
    places = _Places(query_keys, query_places, reference_keys, reference_places)
    if places.bits(pairs) <= _MAX_BITS:
        return MatchBlock(places.sort(pairs, reference_rows), query_rows, reference_rows)
    by_id = _ranks_as_text(reference_rows, reference_keys)
    order = np.lexsort((by_id[reference_places], -pairs.score, pairs.query))
    return MatchBlock(pairs.take(order), query_rows, reference_rows)


@dataclass(frozen=True, slots=True)
class _Places:
    """The distinct images of some pairs, by which each pair is one number.

    Numbers are sorted, without the pairs, and the pairs are read from them: that takes a fraction
    of the time of finding an order and putting each array into it.
    """

    query_keys: Int64
    query_places: Int64
    reference_keys: Int64
    reference_places: Int64

    @property
    def reference_bits(self) -> int:
        """How many bits hold the place of a reference."""
        return len(self.reference_keys).bit_length()

    def bits(self, pairs: Pairs) -> int:
        """Return how many bits hold the number of a pair."""
        turned = 0 if pairs.orientation is None else _ORIENTATION_BITS
        return len(self.query_keys).bit_length() + _SCORE_BITS + self.reference_bits + turned

    def sort(self, pairs: Pairs, rows: ImageRows) -> Pairs:
        """Sort `pairs` by query, falling score, and the id of the reference as text."""
        turned = pairs.orientation is not None
        count = len(self.reference_keys)
        order = np.arange(count)
        if len(pairs) > _MANY_PAIRS * count:
            order = self._by_id(rows, np.ones(count, bool))
        numbers = self._sorted(pairs, order)
        if len(pairs) <= _MANY_PAIRS * count:
            tied = self._tied(numbers, turned=turned)
            if tied.any():
                order = self._by_id(rows, tied)
                numbers = self._sorted(pairs, order)
        return self._pairs(numbers, self.reference_keys[order], turned=turned)

    def _by_id(self, rows: ImageRows, tied: Bool) -> Int64:
        """Return the references (m,), by place, `tied` ones last, sorted by their ids as text."""
        order = np.concatenate([np.flatnonzero(~tied), np.flatnonzero(tied)])
        last = order[len(order) - int(np.count_nonzero(tied)) :]
        last[:] = last[np.argsort(_ranks_as_text(rows, self.reference_keys[last]))]
        return order

    def _sorted(self, pairs: Pairs, order: Int64) -> Int64:
        """Return the numbers of pairs, ascending: (n,); references are put in `order` (m,)."""
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        numbers = np.empty(len(pairs), np.int64)
        for part in _parts(len(pairs)):
            number = numbers[part]
            number[:] = np.rint(pairs.score[part] * -_SCORES_PER_UNIT)
            number += _SCORES_PER_UNIT
            number += self.query_places[part] << _SCORE_BITS
            number <<= self.reference_bits
            number += places.take(self.reference_places[part])
            if pairs.orientation is not None:
                number <<= _ORIENTATION_BITS
                number += pairs.orientation[part]
        numbers.sort()
        return numbers

    def _tied(self, numbers: Int64, *, turned: bool) -> Bool:
        """Tell which references are in pairs whose query and score another pair has: (m,)."""
        numbers = numbers >> _ORIENTATION_BITS if turned else numbers
        ranks = numbers >> self.reference_bits
        repeats = np.zeros(len(numbers) + 1, bool)
        repeats[1:-1] = ranks[1:] == ranks[:-1]
        tied = np.zeros(len(self.reference_keys), bool)
        if repeats.any():
            among = numbers[repeats[1:] | repeats[:-1]]
            tied[among & ((1 << self.reference_bits) - 1)] = True
        return tied

    def _pairs(self, numbers: Int64, keys: Int64, *, turned: bool) -> Pairs:
        """Read pairs from their numbers; `keys`: the references in the order of their places."""
        count = len(numbers)
        queries, references = np.empty(count, np.int64), np.empty(count, np.int64)
        scores = np.empty(count)
        orientation = np.empty(count, np.int64) if turned else None
        for part in _parts(count):
            number = numbers[part]
            if orientation is not None:
                orientation[part] = number & ((1 << _ORIENTATION_BITS) - 1)
                number = number >> _ORIENTATION_BITS
            references[part] = keys.take(number & ((1 << self.reference_bits) - 1))
            number = number >> self.reference_bits
            scores[part] = _SCORES_PER_UNIT - (number & ((1 << _SCORE_BITS) - 1))
            scores[part] /= _SCORES_PER_UNIT
            queries[part] = self.query_keys.take(number >> _SCORE_BITS)
        return Pairs(queries, references, scores, orientation)


def _parts(count: int) -> Iterator[slice]:
    """Yield slices of `count` pairs, of so many that their numbers stay in the cache."""
    for start in range(0, count, _PAIRS_AT_ONCE):
        yield slice(start, min(start + _PAIRS_AT_ONCE, count))


def first_per_query(pairs: Pairs, count: int = 1) -> Pairs:
    """Return the first `count` pairs of each query; `pairs` are in their final order."""
    starts = np.searchsorted(pairs.query, pairs.query, side="left")
    return pairs.take(np.arange(len(pairs)) - starts < count)


def _ranks_as_text(rows: ImageRows, keys: Int64) -> Int64:
    """Return numbers that sort like the ids of distinct `keys` (n,) do as text: int64 (n,)."""
    ids = rows.ids(keys).tolist()
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks
