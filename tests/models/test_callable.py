"""A plain function as a model: its fingerprint, its input, and what it may return."""

from __future__ import annotations

import numpy as np
import pytest

from vecsim import CallableEmbedder, Preparation
from vecsim.errors import ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.models.callable import as_embedder
from vecsim.records import Fingerprint, Float32, UInt8


def mean_colour(pictures: UInt8) -> Float32:
    """The mean of each channel, (n, 3)."""
    return pictures.mean(axis=(1, 2)).astype(np.float32)


def test_the_function_is_given_prepared_pictures_and_its_rows_are_the_vectors() -> None:
    model = CallableEmbedder(mean_colour, "mean", preparation=Preparation(4, "nearest"))
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    assert np.array_equal(model.embed(pixels), mean_colour(pixels))
    assert model.embed(pixels).dtype == np.float32


def test_name_version_preparation_dimension_and_weights_identify_it() -> None:
    square = Preparation(16, "smooth")
    plain = CallableEmbedder(mean_colour, "mean", preparation=square)
    assert plain.fingerprint == Fingerprint("mean", "", "smooth-16-v2", 3)
    whole = CallableEmbedder(
        mean_colour, "mean", preparation=square, version="2", weights_sha256="ab"
    )
    assert whole.fingerprint == Fingerprint("mean@2", "ab", "smooth-16-v2", 3)


def test_grey_pictures_come_without_channels() -> None:
    model = CallableEmbedder(
        lambda pictures: pictures.reshape(len(pictures), -1),
        "pixels",
        preparation=Preparation(8, "smooth", "L"),
    )
    assert model.fingerprint == Fingerprint("pixels", "", "smooth-8-L-v3", 64)


def test_it_may_return_lists() -> None:
    model = CallableEmbedder(lambda pictures: [[1, 2.5]] * len(pictures), "constant")
    assert model.embed(np.zeros((2, 224, 224, 3), np.uint8)).tolist() == [[1, 2.5], [1, 2.5]]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (np.zeros(3), r"shape \(1, dim\) for 1 pictures, not \(3,\)"),
        (np.zeros((2, 3)), r"not \(2, 3\)"),
        (np.zeros((1, 0)), r"not \(1, 0\)"),
        ("text", "array of numbers, not str"),
        (None, r"not \(\)"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(result: object, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        CallableEmbedder(lambda pictures: result, "odd")  # type: ignore[arg-type,return-value]


def test_a_function_that_changes_its_dimension_is_refused() -> None:
    model = CallableEmbedder(lambda pictures: np.ones((len(pictures), len(pictures))), "growing")
    with pytest.raises(ModelError, match="returned 2 numbers a picture, and 1 before"):
        model.embed(np.zeros((2, 224, 224, 3), np.uint8))


def test_pictures_that_are_not_prepared_are_refused() -> None:
    model = CallableEmbedder(mean_colour, "mean")
    with pytest.raises(UsageError, match=r"uint8 and shape \(n, 224, 224, 3\)"):
        model.embed(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("name", ["phash", "mobilenet", "mobilenet-mine", "bundled-3"])
def test_names_of_vecsims_own_models_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name}' is that of a model of vecsim"):
        CallableEmbedder(mean_colour, name)


def test_what_counts_as_a_model() -> None:
    phash = load_embedder("phash")
    assert as_embedder(phash) is phash
    assert as_embedder(mean_colour).fingerprint == Fingerprint(
        "mean_colour", "", "smooth-224-v2", 3
    )
    with pytest.raises(ModelError, match="a lambda has no name"):
        as_embedder(lambda pictures: pictures)
    for nothing in (3, dict):
        with pytest.raises(ModelError, match="neither"):
            as_embedder(nothing)  # type: ignore[arg-type]
