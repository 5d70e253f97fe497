"""Stored sketches are derived: without them results are the same, and they can be deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from vecsim import Index, match
from vecsim.index import sketch_store
from vecsim.search.sketch import make_sketch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index large enough to have a sketch, with pairs in it."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((8_300, 32))
    rows[5_300:] = rows[:3_000] + random.standard_normal((3_000, 32)) * 0.8
    path = tmp_path_factory.mktemp("made") / "i"
    Index.from_vectors(path, rows, range(8_300)).close()
    assert len(list(path.glob("sketches/*/*.npy"))) > 1
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "i")


def pairs(path: Path) -> list[tuple[str, str, float]]:
    with Index.open(path) as index:
        nearest = index.query_ids(["1", "8299"], top_k=20).to_numpy().tolist()
        return match(index, threshold=0.7).to_numpy().tolist() + nearest


def test_results_are_the_same_without_a_sketch(path: Path) -> None:
    before = pairs(path)
    assert len(before) > 1_000
    shutil.rmtree(path / "sketches")
    assert pairs(path) == before
    with Index.open(path) as index:
        index.compact()
    assert list(path.glob("sketches/*/*.npy"))
    assert pairs(path) == before


def test_images_of_the_index_have_their_stored_codes(path: Path) -> None:
    with Index.open(path) as index:
        snapshot = index.snapshot
        keys = snapshot.keys()[[8_000, 3, 5_301]]
        sketch = snapshot.sketch_of(keys)
        assert sketch is not None
        vectors = np.concatenate([snapshot.vectors_of(keys[[row]]) for row in range(3)])
        made_anew = make_sketch(vectors, sketch.axes)
        for stored, made in zip(sketch.levels, made_anew.levels, strict=True):
            # Products of other numbers of vectors may round otherwise, by one step at most.
            assert np.abs(stored.codes.astype(int) - made.codes).max() <= 1
        assert snapshot.sketch_of(np.append(keys, 10_000)) is None
    shutil.rmtree(path / "sketches")
    with Index.open(path) as index:
        assert index.snapshot.sketch_of(keys) is None


@pytest.mark.parametrize("kept", [0, 40, 300])
@pytest.mark.ci
def test_a_sketch_that_cannot_be_read_is_ignored(path: Path, kept: int) -> None:
    """Each file cut to so many bytes, or missing."""
    before = pairs(path)
    for file in sorted(path.glob("sketches/*/*.npy"))[kept % 4 :: 4]:
        data = file.read_bytes()
        file.write_bytes(data[:kept])
        assert pairs(path) == before, f"{file.name} cut"
        file.unlink()
        assert pairs(path) == before, f"without {file.name}"
        file.write_bytes(data)


@pytest.mark.ci
def test_verify_names_a_changed_file_of_a_sketch(path: Path) -> None:
    for file in sorted(path.glob("sketches/*/*.npy")):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        with Index.open(path) as index:
            assert [problem.file for problem in index.verify()] == [file]
        data[-1] ^= 1
        file.write_bytes(data)


def test_a_sketch_is_deleted_with_its_segment(path: Path) -> None:
    (before,) = (file.name for file in path.glob("sketches/*"))
    with Index.open(path) as index:
        index.remove(map(str, range(10)))
        index.close()
        index.compact()
    (after,) = (file.name for file in path.glob("sketches/*"))
    (segment,) = (file.name for file in path.glob("segments/*"))
    assert after == segment != before


def axes_of(path: Path) -> set[bytes]:
    return {file.read_bytes() for file in path.glob("sketches/*/axes-plane*.npy")}


def test_later_segments_use_the_axes_of_the_first_while_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch_store, "MIN_VECTORS", 1_000)
    random = np.random.default_rng(1)
    few, other = random.standard_normal((2, 8, 128))

    def made(count: int, directions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return random.standard_normal((count, 8)) @ directions

    path = tmp_path / "i"
    with Index.from_vectors(path, made(3_000, few), range(3_000)) as index:
        before = axes_of(path)
        assert before
        index.add_vectors(made(1_500, few), range(3_000, 4_500))
        assert len(list(path.glob("sketches/*"))) == 2
        assert axes_of(path) == before
        rows = made(1_200, other)
        index.add_vectors(rows, range(4_500, 5_700))
        assert len(list(path.glob("sketches/*"))) == 3
        assert len(axes_of(path)) == 2 * len(before)
        (best,) = index.query(rows[17], top_k=1).to_numpy().tolist()
        assert best[1:] == ("4517", 1.0)


def test_damaged_axes_are_not_used_for_other_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch_store, "MIN_VECTORS", 1_000)
    rows = np.random.default_rng(2).standard_normal((4_500, 64))
    path = tmp_path / "i"
    Index.from_vectors(path, rows[:3_000], range(3_000)).close()
    (file,) = path.glob("sketches/*/axes-plane0.npy")
    data = bytearray(file.read_bytes())
    data[-2] ^= 0x40  # of the exponent of a coordinate
    file.write_bytes(data)
    with Index.open(path) as index:
        assert index.snapshot._sketch(index.snapshot.segments[0]) is None
        index.add_vectors(rows[3_000:], range(3_000, 4_500))
        assert len(list(path.glob("sketches/*"))) == 2
        assert len(axes_of(path)) == 2
        assert [problem.file for problem in index.verify()] == [file]
