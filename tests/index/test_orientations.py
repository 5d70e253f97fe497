"""Stored orientations: committed, merged, removed, completed, verified and repaired with images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import turned
from support.oriented import FORMS, Images, make_index, random_images
from vecsim.errors import IndexDamagedError
from vecsim.index import Snapshot
from vecsim.index.join import neighbours
from vecsim.index.layout import create_index
from vecsim.index.repair import repair
from vecsim.index.searchers import LocalSearcher
from vecsim.index.verify import verify
from vecsim.index.writer import Writer
from vecsim.orientations import NAMES
from vecsim.records import Embedded, Fingerprint, ImageFacts, ImageRef
from vecsim.search.score import normalise


@pytest.fixture
def images() -> Images:
    return random_images(np.random.default_rng(4), 12)


@pytest.fixture
def path(images: Images, tmp_path: Path) -> Path:
    return make_index(tmp_path / "i", images, [5])


def expected(images: Images, rows: range) -> dict[tuple[str, str], bytes]:
    return {
        (f"{row:03}", NAMES[code]): images.vectors[code, row].tobytes()
        for row in rows
        for code in range(1, FORMS)
        if images.has[row, code]
    }


def test_they_are_stored_under_the_keys_of_their_images(images: Images, path: Path) -> None:
    assert turned(path) == expected(images, range(12))
    assert list(verify(path, seed=1)) == []
    with Snapshot(path) as snapshot:
        keys = snapshot.keys()
        positions, vectors = snapshot.turned_of(keys, 5)
        assert np.array_equal(positions, np.flatnonzero(images.has[:, 5]))
        assert np.array_equal(vectors, images.vectors[5, images.has[:, 5]])
        counts = images.has.sum(axis=0).tolist()
        assert snapshot.turned_counts() == {code: counts[code] for code in range(1, FORMS)}


def test_removing_and_compacting_keep_those_of_the_others(images: Images, path: Path) -> None:
    with Writer(path) as writer:
        writer.remove(["000", "001", "007"])
        writer.compact()
    rest = {**expected(images, range(2, 7)), **expected(images, range(8, 12))}
    assert turned(path) == rest
    assert len(list((path / "orientations").iterdir())) == 1
    assert list(verify(path, seed=1)) == []


def test_many_small_commits_are_merged_with_them(images: Images, tmp_path: Path) -> None:
    path = make_index(tmp_path / "many", images, range(1, 12))
    assert len(list((path / "segments").iterdir())) < 12
    assert turned(path) == expected(images, range(12))
    names = {file.name for file in (path / "segments").iterdir()}
    assert {folder.name for folder in (path / "orientations").iterdir()} <= names


def test_an_index_without_any_has_no_folder(tmp_path: Path) -> None:
    plain = random_images(np.random.default_rng(4), 3)
    plain.has[:, 1:] = False
    path = make_index(tmp_path / "plain", plain, [1])
    assert not (path / "orientations").exists()
    with Snapshot(path) as snapshot:
        assert snapshot.turned_counts() == {}


def test_further_ones_are_added_to_stored_images(images: Images, path: Path) -> None:
    other = np.eye(6, dtype=np.float32)[0]
    with Snapshot(path) as before, Writer(path) as writer:
        keys = before.keys()
        added = {int(keys[2]): {1: other, 2: other}, int(keys[9]): {7: other}}
        writer.add_turned(added | {999: {1: other}})
        # A reader keeps what it has opened.
        assert before.turned_counts() == {
            code: int(images.has[:, code].sum()) for code in range(1, FORMS)
        }
    changed = {("002", "90"), ("002", "180"), ("009", "mirror+270")}
    found = turned(path)
    assert {pair: found.pop(pair) for pair in changed} == dict.fromkeys(changed, other.tobytes())
    before_them = expected(images, range(12))
    assert found == {pair: its for pair, its in before_them.items() if pair not in changed}
    assert list(verify(path, seed=1)) == []


def test_the_folder_may_be_deleted(path: Path) -> None:
    shutil.rmtree(path / "orientations")
    assert list(verify(path, seed=1)) == []
    with Snapshot(path) as snapshot:
        assert snapshot.turned_counts() == {}
        assert snapshot.count == 12


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[100] ^= 64
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["90.faiss", "files.json"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_damage_is_found_and_repaired_without_losing_images(path: Path, name: str, damage) -> None:
    damage(min((path / "orientations").iterdir()) / name)
    problems = list(verify(path, seed=1))
    assert [problem for problem in problems if "orientations" in str(problem.file)] == problems
    if (name, damage) != ("files.json", Path.unlink):
        assert problems
    done = repair(path)
    assert (done.kept, done.lost) == (12, 0)
    assert list(verify(path, seed=1)) == []
    with Snapshot(path) as snapshot:
        assert snapshot.count == 12


def test_a_cut_file_is_an_error_that_says_what_to_do(path: Path) -> None:
    cut(min((path / "orientations").iterdir()) / "180.faiss")
    with pytest.raises(IndexDamagedError, match=r"180\.faiss.*repair"):
        Snapshot(path)


@pytest.mark.ci
def test_a_large_segment_has_sketches_of_its_orientations_too(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    count = 8_300
    base = normalise(random.standard_normal((count, 24)))
    turned_ = normalise(random.standard_normal((count, 24)))
    turned_[::50] = base[1::50]  # what image 50 n shows turned, image 50 n + 1 shows as it is
    path = tmp_path / "large"
    create_index(path, Fingerprint("external", "", "", 24))
    with Writer(path) as writer:
        writer.commit(
            [
                Embedded(ImageRef(str(n), ""), ImageFacts(), base[n], b"", {2: turned_[n]})
                for n in range(count)
            ]
        )
    names = [file.name for file in sorted((path / "sketches").iterdir())]
    assert names == [names[0], f"{names[0]}.180"]

    def pairs() -> set[tuple[int, int, float]]:
        with Snapshot(path) as snapshot:
            keys = snapshot.keys()[:500]
            found = neighbours(snapshot, LocalSearcher(snapshot, 0.8), keys, (0, 2))
            columns = (found.query, found.reference, found.score)
            return set(zip(*(column.tolist() for column in columns), strict=True))

    with_sketches = pairs()
    assert {(50 * n + 2, 50 * n + 1, 1.0) for n in range(10)} < with_sketches
    assert list(verify(path, samples=1, seed=1)) == []
    file = min((path / "sketches" / names[1]).glob("*.npy"))
    flip(file)
    assert [problem.file for problem in verify(path, seed=1)] == [file]
    repair(path)
    assert [file.name for file in (path / "sketches").iterdir()] == names[:1]
    shutil.rmtree(path / "sketches")
    assert pairs() == with_sketches
    with Writer(path) as writer:
        writer.compact()
    assert [file.name for file in sorted((path / "sketches").iterdir())] == names
