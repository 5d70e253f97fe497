"""An index made with a model of the caller's: an object or a function on a batch of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vecsim import CallableEmbedder, Index, Preparation, match
from vecsim.errors import FingerprintError, ModelError, UsageError
from vecsim.records import Float32, UInt8

PREPARATION = Preparation(8, "smooth")


def mean_colour(pixels: UInt8) -> Float32:
    """The mean of each channel and a constant, so that black has a direction too: (n, 4)."""
    means = pixels.mean(axis=(1, 2), dtype=np.float32) - 127.5
    return np.column_stack([means, np.ones(len(means), np.float32)])


def embedder(version: str = "1", threshold: float | None = 0.999) -> CallableEmbedder:
    return CallableEmbedder(
        mean_colour, "mean-colour", version=version, preparation=PREPARATION, threshold=threshold
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures of one colour each, with a black stripe; the third is nearly the first."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200)), ("rose", (199, 1, 0))):
        picture = Image.new("RGB", (32, 32), colour)
        picture.paste("black", (0, 0, 8, 32))
        picture.save(folder / f"{name}.png")
    return folder


def test_an_index_of_an_embedder_is_built_queried_and_matched(
    tmp_path: Path, pictures: Path
) -> None:
    path = tmp_path / "index"
    with Index.create(path, model=embedder()) as index:
        assert index.add(pictures).added == 3
        assert index.fingerprint == embedder().fingerprint
        found = index.query(pictures / "red.png", top_k=2)
        assert [Path(match.reference_id).stem for match in found] == ["red", "rose"]

    pairs = [{Path(m.query_id).stem, Path(m.reference_id).stem} for m in match(path)]
    assert pairs == [{"red", "rose"}]  # by the threshold of the embedder, which is stored


def test_a_function_is_a_model_by_its_name(tmp_path: Path, pictures: Path) -> None:
    with Index.create(tmp_path / "index", model=mean_colour) as index:
        assert index.add(pictures).added == 3
        assert index.fingerprint.model == "mean_colour"
        assert index.verify() == []


def test_an_index_of_an_embedder_is_opened_with_it_and_grows(
    tmp_path: Path, pictures: Path
) -> None:
    path = tmp_path / "index"
    Index.create(path, model=embedder()).add([pictures / "red.png"])

    with Index.open(path, model=embedder()) as index:
        assert index.add(pictures).added == 2
        assert index.query(pictures / "blue.png", top_k=1).to_numpy()["score"][0] == 1
        assert index.refresh().unchanged == 3


def test_without_the_embedder_ids_are_searched_and_pictures_are_not(
    tmp_path: Path, pictures: Path
) -> None:
    path = tmp_path / "index"
    Index.create(path, model=embedder()).add([pictures / "red.png", pictures / "rose.png"])

    with Index.open(path) as index:
        assert len(index.query_ids(str(pictures / "red.png"), top_k=5).to_numpy()) == 1
        for change in (lambda: index.add(pictures), lambda: index.query("x.jpg", top_k=1)):
            with pytest.raises(ModelError, match=r"mean-colour.*Index\.open\(path, model="):
                change()


@pytest.mark.parametrize(
    "other",
    [
        embedder(version="2"),
        CallableEmbedder(mean_colour, "mean-colour", version="1"),
        CallableEmbedder(mean_colour, "other", version="1", preparation=PREPARATION),
    ],
    ids=["version", "preparation", "name"],
)
def test_another_embedder_is_refused(
    other: CallableEmbedder, tmp_path: Path, pictures: Path
) -> None:
    path = tmp_path / "index"
    Index.create(path, model=embedder()).add([pictures / "red.png"])

    with pytest.raises(FingerprintError, match="cannot be compared"):
        Index.open(path, model=other)


def test_an_index_rebuilt_for_another_model_does_not_take_vectors_of_the_first(
    tmp_path: Path, pictures: Path
) -> None:
    path = tmp_path / "index"
    index = Index.create(path, model=embedder())
    index.close()
    path.rename(tmp_path / "aside")
    Index.create(path, model="phash").close()

    with pytest.raises(FingerprintError, match="phash"):
        index.add(pictures)


def test_indexes_of_two_embedders_are_not_matched(tmp_path: Path, pictures: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for version, path in zip("12", paths, strict=True):
        Index.create(path, model=embedder(version)).add(pictures)

    with pytest.raises(FingerprintError, match=r"mean-colour@1.*mean-colour@2"):
        match(*paths)


def test_an_embedder_without_a_threshold_needs_one_in_each_search(
    tmp_path: Path, pictures: Path
) -> None:
    with Index.create(tmp_path / "index", model=embedder(threshold=None)) as index:
        index.add(pictures)
        with pytest.raises(UsageError, match="no usual threshold"):
            index.query_ids(str(pictures / "red.png"))
        assert len(match(index, threshold=0.999).to_numpy()) == 1


@pytest.mark.parametrize(
    ("model", "error"),
    [(lambda pixels: pixels, "lambda"), (7, "neither"), (CallableEmbedder, "neither")],
    ids=["lambda", "number", "class"],
)
def test_what_is_no_model_makes_no_index(model: object, error: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=error):
        Index.create(tmp_path / "index", model=model)  # type: ignore[arg-type]
    assert not (tmp_path / "index").exists()


def test_weights_go_with_a_name_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="weights"):
        Index.create(tmp_path / "index", model=embedder(), weights="w.h5")
