"""An index of vectors that were made outside vecsim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vecsim import Index, match
from vecsim.errors import (
    DuplicateIdError,
    FingerprintError,
    InputError,
    UsageError,
    VectorError,
)


def _own(path: Path, **options: object) -> Index:
    vectors = [[3.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-1.0, 0.0]]
    return Index.from_vectors(path, vectors, ["east", "north", "between", "west"], **options)


def test_vectors_of_any_norm_are_indexed(tmp_path: Path) -> None:
    with _own(tmp_path / "own", fields=[{"n": str(n)} for n in range(4)]) as own:
        found = own.query(np.array([5.0, 5.0]), threshold=0.7).to_numpy()
        pairs = match(own, threshold=-1)

        assert found.tolist() == [
            *(("0", "between", 1.0), ("0", "east", 0.707107), ("0", "north", 0.707107)),
        ]
        assert len(pairs.to_numpy()) == 6
        assert [m.reference_fields for m in own.query_ids("west", top_k=1)] == [{"n": "1"}]
        assert own.fingerprint.model == "external"


def test_vectors_are_added_and_queried_in_rows(tmp_path: Path) -> None:
    with _own(tmp_path / "own") as own:
        assert own.add_vectors(np.array([[2, 0], [0, 7]], np.int8), [7, 8]) == 2
        found = own.query(np.array([[1.0, 0], [0, 1]], np.float16), top_k=2).to_numpy()
        # `to_numpy` says which row a match belongs to.
        assert found.tolist() == [
            *(("0", "7", 1.0), ("0", "east", 1.0), ("1", "8", 1.0), ("1", "north", 1.0)),
        ]
        assert own.remove([7, 8]) == 2
        assert len(own) == 4


def test_invalid_vectors_make_no_index(tmp_path: Path) -> None:
    path = tmp_path / "own"
    for kind, vectors, ids in (
        (VectorError, [1.0, 2.0], ["a", "b"]),
        (VectorError, [[0.0, 0.0]], ["a"]),
        (VectorError, [[1.0, np.nan]], ["a"]),
        (DuplicateIdError, [[1.0, 0], [0, 1.0]], ["a", "a"]),
        (DuplicateIdError, [[1.0, 0], [0, 1.0]], [1, "1"]),
        (InputError, [[1.0, 0]], ["a", "b"]),
    ):
        with pytest.raises(kind):
            Index.from_vectors(path, vectors, ids)
        assert not path.exists()


def test_vectors_of_two_models_are_never_compared(tmp_path: Path) -> None:
    one = _own(tmp_path / "one", model="clip")
    two = _own(tmp_path / "two", model="dino")
    same = _own(tmp_path / "same", model="clip")

    with pytest.raises(FingerprintError, match=r"clip.*dino"):
        match(one, two, threshold=0.9)
    with pytest.raises(UsageError, match="no usual threshold"):
        match(one, same)
    assert len(match(one, same, threshold=1).to_numpy()) == 4
