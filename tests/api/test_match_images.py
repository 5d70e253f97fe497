"""`match` of images that a program holds: no index, no file."""

from __future__ import annotations

import io
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pytest
from PIL import Image

import vecsim
from vecsim import Index, match
from vecsim.errors import (
    FingerprintError,
    IndexMissingError,
    StoppedError,
    UsageError,
    VecsimError,
)

DEMO = Path(__file__).resolve().parents[2] / "demo" / "images"
NAMES = [f"{n}.png" for n in range(len(os.listdir(DEMO)))]
PICTURES = Path("photos")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the demo as files whose pixels are the same for every reader: PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, file in zip(NAMES, sorted(DEMO.iterdir()), strict=True):
        with Image.open(file) as image:
            image.convert("RGB").resize((120, 90)).save(folder / name)
    return folder


def opened(name: str) -> Image.Image:
    """A picture that holds no file open."""
    with Image.open(PICTURES / name) as image:
        return image.copy()


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures in an empty current folder, and a folder for temporary files."""
    shutil.copytree(pictures, tmp_path / "photos")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def expected(tmp_path: Path) -> list[tuple[int, int, float]]:
    """All pairs of the folder at 0.7, by position among its sorted names."""
    with Index.create(tmp_path / "made", model="phash") as index:
        index.add({str(n): PICTURES / name for n, name in enumerate(NAMES)})
        found = match(index, threshold=0.7).to_numpy()
    return [(int(one), int(other), score) for one, other, score in found.tolist()]


def by_position(matches: Any) -> list[tuple[int, int, float]]:
    return [(int(one), int(other), score) for one, other, score in matches.to_numpy().tolist()]


def test_pictures_in_memory_have_their_positions_as_ids(
    expected: list[tuple[int, int, float]], tmp_path: Path
) -> None:
    files = [PICTURES / name for name in NAMES]
    data = [file.read_bytes() for file in files]
    forms: dict[str, Any] = {
        "bytes": data,
        "open files": [io.BytesIO(each) for each in data],
        "Pillow": [opened(name) for name in NAMES],
        "pixels": [np.asarray(opened(name)) for name in NAMES],
    }

    assert expected
    for name, images in forms.items():
        found = match(images, model="phash", threshold=0.7)
        assert by_position(found) == expected, name
        assert found.failures == []
        assert len(found._repr_html_().split("data:image/")) > len(expected)
    assert not (tmp_path / "indexes").exists()


@pytest.mark.ci
def test_tables_mappings_and_paths_have_their_own_ids(
    expected: list[tuple[int, int, float]], tmp_path: Path
) -> None:
    paths = [str(PICTURES / name) for name in NAMES]
    skus = [f"s{n}" for n in range(len(NAMES))]
    named = [(f"s{one}", f"s{other}", score) for one, other, score in expected]
    table = pandas.DataFrame({"sku": skus, "photo": paths})
    in_table = polars.DataFrame({"sku": skus, "data": [Path(p).read_bytes() for p in paths]})

    for found in (
        match(table, model="phash", threshold=0.7, id="sku", url="photo"),
        match(in_table, model="phash", threshold=0.7, id="sku", image="data"),
        match(dict(zip(skus, paths, strict=True)), model="phash", threshold=0.7),
    ):
        assert found.to_numpy().tolist() == named
    found = match(paths, model="phash", threshold=0.7)
    assert found.to_numpy()["query_id"].tolist() == [paths[one] for one, _, _ in expected]


def test_the_other_side_may_be_an_index_whose_model_is_used(tmp_path: Path) -> None:
    with Index.create("shop", model="phash") as index:
        index.add("photos")
        one = opened(NAMES[0])

        found = match([one, one], index, threshold=1)
        same = match({"asked": one}, "shop", threshold=1)

        assert [pair.query_id for pair in found] == ["0", "1"]
        assert [(pair.query_id, Path(pair.reference_id).name) for pair in same] == [
            ("asked", NAMES[0])
        ]
    with pytest.raises(FingerprintError):
        match([one], "shop", model="bundled")


def test_two_pictures_that_are_the_same_bytes_are_a_pair() -> None:
    data = (PICTURES / NAMES[0]).read_bytes()

    assert by_position(match([data, data], model="phash")) == [(0, 1, 1.0)]
    assert len(match([data], [data], model="phash").to_numpy()) == 1


@pytest.mark.ci
def test_a_folder_has_an_index_that_is_used_again(tmp_path: Path) -> None:
    found = match("photos", model="phash", threshold=0.7)
    (kept,) = (tmp_path / "indexes" / ".sources").glob("photos-*")
    shutil.copy(PICTURES / NAMES[0], "photos/again.jpg")
    more = match(Path("photos"), model="phash", threshold=0.7)

    assert repr(found) == "<Matches: photos with itself>"
    assert len(more.to_numpy()) > len(found.to_numpy())
    assert [*(tmp_path / "indexes" / ".sources").glob("photos-*")] == [kept]


def test_a_model_of_the_caller_takes_a_folder_too() -> None:
    def model(pictures: Any) -> Any:
        return pictures.reshape(len(pictures), -1)[:, ::5000].astype(np.float32) + 1

    data = (PICTURES / NAMES[0]).read_bytes()

    found = match("photos", [data], model=model, threshold=1)

    assert [Path(pair.query_id).name for pair in found] == [NAMES[0]]


def test_failures_are_listed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    images = [PICTURES / NAMES[0], b"no picture", PICTURES / "gone.jpg"]

    found = match(images, model="phash", threshold=0.7)

    assert [failure.ref.id for failure in found.failures] == ["1", str(PICTURES / "gone.jpg")]
    assert "2 images could not be loaded" in caplog.text
    assert repr(found) == "<Matches: 3 images with itself, 2 images failed>"


def test_temporary_files_go_with_the_result(tmp_path: Path) -> None:
    found = match([opened(name) for name in NAMES], model="phash", threshold=0.7)
    images = [opened(NAMES[0])]
    same = match(images, images, model="phash", threshold=0.7)
    assert len(list((tmp_path / "tmp").iterdir())) == 2
    assert len(same.to_numpy()) == 1
    del found, same

    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(UsageError):
        match([opened(NAMES[0]), 3], model="phash")  # type: ignore[list-item]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_progress_counts_images_and_queries() -> None:
    calls: list[vecsim.Progress] = []

    found = match([PICTURES / name for name in NAMES], model="phash", progress=calls.append)
    loaded = len(calls)
    list(found)

    assert calls[loaded - 1].done == len(NAMES)
    assert calls[-1] == vecsim.Progress(len(NAMES), len(NAMES))
    assert len(calls) > loaded


def test_a_cancelled_match_raises() -> None:
    cancel = threading.Event()
    with Index.create("shop", model="phash") as index:
        index.add("photos")
        found = match(index, threshold=0.7, cancel=cancel)
        assert list(found)
        cancel.set()

        with pytest.raises(StoppedError, match="search was cancelled"):
            list(found)
        with pytest.raises(StoppedError, match="search was cancelled"):
            list(index.clusters(cancel=cancel))
    with pytest.raises(StoppedError, match="match was cancelled"):
        match([PICTURES / NAMES[0]], model="phash", cancel=cancel)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: match("none"), IndexMissingError),
        (lambda: match(3), UsageError),  # type: ignore[arg-type]
        (lambda: match([b"x"], model="phash", progress=3), UsageError),  # type: ignore[arg-type]
        (lambda: match([b"x"], model="no such model"), VecsimError),
        (lambda: match([b"x"], model="phash", best_only=True), UsageError),
    ],
)
def test_wrong_arguments_are_one_clear_error(call: Any, error: type[VecsimError]) -> None:
    with pytest.raises(error):
        call()
