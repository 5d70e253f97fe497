"""What the library takes as images: addresses, bytes, files, Pillow images, pixels."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.servers import HostileServer, good
from vecsim import Index
from vecsim.errors import DuplicateIdError, ImageError, InputError, UsageError, VecsimError

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


class Tensor:
    """What gives its pixels by `__array__`, as tensors do."""

    def __init__(self, pixels: Any) -> None:
        self._pixels = pixels

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._pixels


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", model="phash")


def picture(seed: int = 0, side: int = 40) -> Image.Image:
    """A picture of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((side, side + 10), Image.Resampling.BICUBIC)


def png(image: Image.Image, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **how)
    return file.getvalue()


def vectors(index: Index) -> Any:
    return index.snapshot.vectors_of(index.snapshot.keys())


def test_every_form_of_a_picture_has_the_vector_of_its_file(index: Index, tmp_path: Path) -> None:
    image = picture()
    pixels, file = np.asarray(image), tmp_path / "a.png"
    file.write_bytes(png(image))
    page = {"/a.png": good(file.read_bytes())}
    with HostileServer(page) as server, file.open("rb") as opened:
        forms = {
            "path": file,
            "text": str(file),
            "file URL": file.as_uri(),
            "URL": server.url("/a.png"),
            "bytes": file.read_bytes(),
            "bytearray": bytearray(file.read_bytes()),
            "stream": io.BytesIO(file.read_bytes()),
            "file": opened,
            "Pillow": image,
            "opened": Image.open(file),
            "pixels": pixels,
            "tensor": Tensor(pixels),
            "with alpha": np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
        }

        report = index.add(forms)

    assert report.added == len(forms)
    assert [ref.id for ref in index] == list(forms)
    assert [bool(ref.url) for ref in index] == [name in list(forms)[:4] for name in forms]
    assert (vectors(index) == vectors(index)[0]).all()
    del forms["file"]
    forms["stream"] = io.BytesIO(png(image))
    for name, form in forms.items():
        if name != "URL":
            assert len(index.query(form, threshold=1).to_numpy()) == report.added, name


@pytest.mark.ci
def test_ids_are_given_or_the_sha256(index: Index) -> None:
    data = png(picture(0))

    index.add(data)
    index.add(picture(1), ids="one")
    index.add((picture(n) for n in (2, 3)), ids=iter([7, "three"]), fields=[{"a": "b"}, {}])
    index.add({"four": picture(4)}, name="mine")

    assert [ref.id for ref in index] == [
        hashlib.sha256(data).hexdigest(),
        *("one", "7", "three", "four"),
    ]
    assert [dict(ref.fields) for ref in index][2] == {"a": "b"}
    assert index.query(picture(3), ids=["asked"], top_k=1).to_numpy().tolist() == [
        ("asked", "three", 1.0, "0")
    ]


@pytest.mark.parametrize(
    ("count", "ids"), [(2, ["a"]), (1, ["a", "b"]), (0, ["a"]), (2, iter("a")), (1, iter("ab"))]
)
def test_another_number_of_ids_is_refused(index: Index, count: int, ids: Any) -> None:
    images: Any = [picture(n) for n in range(count)]

    with pytest.raises(InputError, match="ids"):
        index.add(iter(images) if isinstance(ids, Iterator) else images, ids=ids)


def test_an_id_for_another_picture_follows_on_duplicate(index: Index) -> None:
    index.add({"a": picture(0)})

    assert index.add({"a": picture(0)}).skipped == 1
    with pytest.raises(DuplicateIdError, match="'a' stands for the picture in memory"):
        index.add({"a": picture(1)})
    with pytest.raises(DuplicateIdError, match=r"'a' stands for .* now for .*1\.jpg"):
        index.add([PICTURES / "1.jpg"], ids=["a"])
    assert index.add({"a": picture(1)}, on_duplicate="skip").skipped == 1
    assert index.query(picture(0), threshold=1).to_numpy().size == 1
    assert index.add({"a": picture(1)}, on_duplicate="replace").replaced == 1
    assert index.query(picture(0), threshold=1).to_numpy().size == 0
    with pytest.raises(DuplicateIdError):
        index.add([picture(2), picture(3)], ids=["b", "b"])


def test_a_picture_that_failed_can_be_added_again(index: Index) -> None:
    cut = Image.open(io.BytesIO(png(picture())[:-300]))

    report = index.add({"good": picture(), "cut": cut, "text": b"no picture"})

    assert (report.added, report.failed) == (1, 2)
    assert {failure.ref.id: str(failure.kind) for failure in index.failures} == {
        "cut": "truncated",
        "text": "not-an-image",
    }
    assert index.retry().failed == 0  # their bytes were not stored
    assert len(index.failures) == 2
    assert index.add({"cut": picture(1), "text": picture(2)}).added == 2
    assert index.failures == []


def test_what_follows_urls_leaves_pictures_in_memory_alone(index: Index, tmp_path: Path) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    (shots / "1.png").write_bytes(png(picture(1)))
    index.add([picture(0), picture(1)], ids=["one", "two"])

    assert index.sync(shots).added == 1
    assert index.sync(shots, refresh=True, keep_missing=True).unchanged == 1
    (shots / "1.png").unlink()
    assert index.sync(shots, allow_empty=True, max_remove=100).removed == 1
    assert [ref.id for ref in index] == ["one", "two"]
    assert index.refresh().unchanged == 0
    assert index.fetch_thumbnails().added == 0
    assert index.thumbnail("one") is not None
    assert index.verify() == []
    with pytest.raises(InputError, match="no pictures to embed"):
        Index.build_from(tmp_path / "other", index.path, model="phash")
    index.remove("one")
    index.compact()
    assert [ref.id for ref in index] == ["two"]


def test_clusters_keep_pictures_in_memory_like_others(index: Index) -> None:
    index.add({"small": picture(0), "large": picture(0, side=80), "other": picture(1)})

    (cluster,) = index.clusters(threshold=0.9)

    assert [ref.id for ref in cluster.members] == ["large", "small"]
    assert cluster.keep == (True, False)


def test_pictures_of_a_stream_are_not_read_ahead_of_their_bytes(index: Index) -> None:
    read = 0

    def pictures() -> Iterator[Any]:
        nonlocal read
        for read in range(1, 40):
            yield np.full((2_000, 2_000, 3), read, np.uint8)

    cancel = threading.Event()
    index.add(pictures(), cancel=cancel, progress=lambda progress: cancel.set())

    assert read < 20


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (3, r"3 \(int\) is no image"),
        (None, "NoneType"),
        ([True], r"images\[0\]: True \(bool\)"),
        ([["a.jpg"]], r"images\[0\]"),
        ([b"x", 1.5], r"images\[1\]"),
        ([""], "empty text"),
        (np.zeros((3, 20, 20), np.uint8), "Channels come last"),
        (np.zeros((20, 20, 3)), "astype"),
        (np.zeros((5, 64), np.float32), "add_vectors"),
        (np.zeros((20, 20, 3), np.int32), "int32"),
        (io.StringIO("text"), "binary mode"),
        (object(), "object"),
    ],
)
def test_what_is_no_image_is_refused_with_one_error(
    index: Index, images: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        index.add(images)
    assert len(index) == 0


def test_a_query_says_at_once_what_is_no_image(index: Index) -> None:
    for images in (3, [None], {"a": 1}, io.StringIO("x")):
        with pytest.raises(UsageError):
            index.query(images)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="not an image"):
        list(index.query(b"no picture"))


@pytest.mark.parametrize("bad", ["\ud800", "a\0b"])
def test_an_id_that_cannot_be_stored_is_refused(index: Index, bad: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="id"):
        index.add(picture(), ids=bad)
    with pytest.raises(VecsimError):
        Index.from_vectors(tmp_path / "vectors", np.eye(3), ids=["a", bad, "c"])
    assert not (tmp_path / "vectors").exists()


def test_a_list_does_not_take_the_id_of_a_picture_in_memory(index: Index, tmp_path: Path) -> None:
    index.add({"1": picture()})
    path = tmp_path / "shop.csv"
    path.write_text(f"id,url\n1,{PICTURES / '1.jpg'}\n")

    report = index.sync(path)

    assert report.failures_by_kind == {"conflict": 1}
    assert "an image without a source lists no URL" in index.failures[0].message
    assert index.query(picture(), threshold=1).to_numpy()["reference_id"].tolist() == ["1"]


def test_fields_of_images_are_values_of_any_kind(index: Index) -> None:
    index.add([picture()], ids=["a"], fields=[{"price": 3, "title": None, "new": True}])
    assert {ref.id: ref.fields for ref in index} == {
        "a": {"price": "3", "title": "", "new": "True"}
    }
    for wrong in (["x"], [{1: "x"}]):
        with pytest.raises(UsageError, match="mapping of names to values"):
            index.add([picture(1)], ids=["b"], fields=wrong)  # type: ignore[list-item]


def test_folders_and_pixels_of_floats_are_named_in_errors(index: Index, tmp_path: Path) -> None:
    index.add([picture()])
    with pytest.raises(ImageError, match=f"^{re.escape(str(tmp_path))} is a folder, not a picture"):
        list(index.query(tmp_path))
    with pytest.raises(VecsimError, match="pixels of a picture are uint8"):
        index.query(np.zeros((9, 9, 3)))
