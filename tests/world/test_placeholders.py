"""Placeholder pictures are listed, and left out of matches and queries on request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.measured_command import Ran
from support.shop import picture
from vecsim import Index, match
from vecsim.errors import UsageError
from vecsim.records import ImageRef

Inside = Callable[..., Ran]

Pair = tuple[str, str]


def build(name: str, files: dict[str, int]) -> Path:
    """An index of ids and the numbers of their pictures, each in a file of its own."""
    folder = Path(f"{name}-pictures")
    folder.mkdir()
    with Index.create(name, "phash") as index:
        refs = []
        for image_id, number in files.items():
            (folder / f"{image_id}.png").write_bytes(picture(number))
            refs.append(ImageRef(image_id, str(folder / f"{image_id}.png")))
        assert index.add(refs).added == len(files)
    return Path(name)


@pytest.fixture
def shop() -> Path:
    """Four images without a picture (number 0), two alike (1), and one alone (2)."""
    return build("shop", {"n1": 0, "n2": 0, "n3": 0, "a": 1, "n4": 0, "b": 1, "c": 2})


def pairs(ran_out: str) -> set[Pair]:
    header, *lines = ran_out.splitlines()
    assert header.startswith("query_id,query_url,reference_id")
    return {(line.split(",")[0], line.split(",")[2]) for line in lines}


def test_a_self_match_leaves_placeholders_out(inside: Inside, shop: Path) -> None:
    everything = pairs(inside("match", shop, "-t", "1").out)
    ran = inside("match", shop, "-t", "1", "--skip-placeholders", "3")

    assert len(everything) == 6 + 1
    assert pairs(ran.out) == {("a", "b")}
    assert ran.err.splitlines()[0] == "4 images left out: 1 picture shared by 3 or more."
    assert pairs(inside("match", shop, "-t", "1", "--skip-placeholders", "5").out) == everything
    assert pairs(inside("match", shop, "-t", "1", "--skip-placeholders", "2").out) == set()


def test_a_placeholder_of_one_side_is_left_out_on_both(inside: Inside, shop: Path) -> None:
    """In `other` it occurs once; the fresh copy of `a` and `b` occurs there three times."""
    other = build("other", {"x": 0, "y": 2, "z1": 1, "z2": 1, "z3": 1})

    for first, second, expected in ((shop, other, {("c", "y")}), (other, shop, {("y", "c")})):
        ran = inside("match", first, second, "-t", "1", "--skip-placeholders", "3")
        assert pairs(ran.out) == expected
        assert "10 images left out: 2 pictures shared by 3 or more." in ran.err
    found = match("shop", "other", threshold=1.0, skip_placeholders=4)
    assert {(pair.query_id, pair.reference_id) for pair in found} == {
        ("c", "y"), *((one, f"z{n}") for one in "ab" for n in (1, 2, 3))
    }  # fmt: skip


def test_removed_images_do_not_count_towards_placeholders(inside: Inside, shop: Path) -> None:
    inside("remove", shop, "n1", "n2")
    ran = inside("match", shop, "-t", "1", "--skip-placeholders", "3")
    assert pairs(ran.out) == {("n3", "n4"), ("a", "b")}


def test_queries_leave_placeholders_out(inside: Inside, shop: Path) -> None:
    (Path("same.png")).write_bytes(picture(0))
    skip = ("--skip-placeholders", "3")

    assert len(pairs(inside("query", shop, "--url", "same.png", "-t", "1").out)) == 4
    assert pairs(inside("query", shop, "--url", "same.png", "-t", "-1", *skip).out) == set()
    assert pairs(inside("query", shop, "--id", "n1", "-t", "-1", *skip).out) == set()
    found = pairs(inside("query", shop, "--id", "c", "--top-k", "5", *skip).out)
    assert found == {("c", "a"), ("c", "b")}


def test_the_library_leaves_placeholders_out(shop: Path) -> None:
    with Index.open(shop) as index:
        vector = index.snapshot.vectors_of(np.array([1]))
        assert len(index.query(vector, threshold=1.0).to_numpy()) == 4
        assert len(index.query(vector, threshold=1.0, skip_placeholders=3).to_numpy()) == 0
        assert len(index.query_ids("c", threshold=-1.0, skip_placeholders=3).to_numpy()) == 2
        assert len(match(index, threshold=1.0, skip_placeholders=3).to_numpy()) == 1
        # The open index itself still has the placeholders.
        assert len(match(index, threshold=1.0).to_numpy()) == 7
        assert len(index) == 7
        with pytest.raises(UsageError, match="from 2 to"):
            match(index, skip_placeholders=1)


def test_imported_vectors_are_no_placeholders() -> None:
    Index.from_vectors("own", np.ones((9, 4)), [str(n) for n in range(9)]).close()
    assert len(match("own", threshold=1.0, skip_placeholders=2).to_numpy()) == 36


def test_info_lists_shared_pictures(inside: Inside) -> None:
    numbers = {**{f"n{n}": 0 for n in range(6)}, **{f"m{n}": 1 for n in range(5)}, "a": 2, "b": 2}
    index = build("shop", numbers)

    told = inside("info", index).out.splitlines()
    assert told[-3:] == [
        "pictures shared by many images (left out by match --skip-placeholders N):",
        "  6 images, 6 URLs: shop-pictures/n0.png, shop-pictures/n1.png, shop-pictures/n2.png, …",
        "  5 images, 5 URLs: shop-pictures/m0.png, shop-pictures/m1.png, shop-pictures/m2.png, …",
    ]
    first, second = json.loads(inside("info", index, "--json").out)["shared"]
    assert (first["images"], first["urls"], len(first["examples"])) == (6, 6, 3)
    assert (second["images"], len(second["sha256"])) == (5, 64)


def test_one_url_under_many_ids_is_a_placeholder(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "no-image.png").write_bytes(picture(0))
    with Index.create("one", "phash") as index:
        index.add([ImageRef(str(n), str(tmp_path / "no-image.png")) for n in range(7)])
    assert "  7 images, 1 URL: " in inside("info", "one").out
    assert pairs(inside("match", "one", "--skip-placeholders", "7").out) == set()
    shutil.rmtree("one")
