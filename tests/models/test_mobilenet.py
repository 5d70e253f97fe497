"""MobileNet gives the predecessor's vectors in LiteRT and Keras, in every batch."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from support.models import MODEL, SMALL, unit
from vecsim.errors import ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.protocols import Embedder
from vecsim.records import Float32, UInt8

# What the predecessor's own code computed: pictures 1 to 6 against pictures 3, 4 and 5.
PUBLISHED = np.array(
    [
        [0.9338396, 0.6145143, 0.5912799],
        [0.8555930, 0.5911883, 0.5257384],
        [1, 0.6099966, 0.5702866],
        [0.6099966, 1, 0.5318411],
        [0.5702867, 0.5318412, 1],
        [0.5776337, 0.5264696, 0.8830167],
    ]
)


@pytest.fixture(params=["litert", "keras"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """MobileNet in LiteRT and in Keras."""
    chosen: Embedder = request.getfixturevalue(request.param)
    return chosen


def test_cosines_equal_those_of_the_predecessor(embedder: Embedder, pictures: UInt8) -> None:
    vectors = unit(embedder.embed(pictures))
    assert vectors.shape == (6, 768)
    np.testing.assert_allclose(vectors @ vectors[2:5].T, PUBLISHED, atol=0.0005)


@pytest.mark.parametrize("size", [1, 5, 33])
@pytest.mark.parametrize("name", ["litert", "keras"])
@pytest.mark.ci
def test_rows_are_bit_equal_in_every_batch(
    request: pytest.FixtureRequest, many_pictures: UInt8, name: str, size: int
) -> None:
    embedder: Embedder = request.getfixturevalue(name)
    whole = request.getfixturevalue(f"{name}_vectors")
    for start in (0, 7, 64 - size):
        rows = slice(start, start + size)
        assert np.array_equal(embedder.embed(many_pictures[rows]), whole[rows])


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 2, 3, 4, 7, 8, 9, 16, 31, 33, 63),
        pytest.param(range(1, 65), marks=pytest.mark.slow, id="all"),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "keras-cpu"])
@pytest.mark.ci
def test_every_batch_size_is_bit_equal(
    small_weights: Path, device: str, sizes: Iterable[int]
) -> None:
    small = load_embedder(SMALL, weights=small_weights, device=device)
    noise = np.random.default_rng(0).integers(0, 256, (64, 128, 128, 3), dtype=np.uint8)
    whole = small.embed(noise)
    for size in sizes:
        assert np.array_equal(small.embed(noise[-size:]), whole[-size:]), f"batch size {size}"


def test_litert_agrees_with_keras(
    litert: Embedder, keras: Embedder, litert_vectors: Float32, keras_vectors: Float32
) -> None:
    apart = unit(litert_vectors) - unit(keras_vectors)
    assert np.linalg.norm(apart, axis=1).max() < 1e-5
    assert litert.fingerprint == keras.fingerprint


def test_vectors_are_bit_equal_for_every_thread_count(
    litert_vectors: Float32, weights: Path, many_pictures: UInt8
) -> None:
    one = load_embedder(MODEL, weights=weights, device="cpu", threads=1)
    five = load_embedder(MODEL, weights=weights, device="cpu", threads=5)
    assert np.array_equal(one.embed(many_pictures), litert_vectors)
    assert np.array_equal(five.embed(many_pictures), litert_vectors)


def test_concurrent_calls_return_the_same_vectors(
    litert: Embedder, litert_vectors: Float32, many_pictures: UInt8
) -> None:
    results: dict[int, Float32] = {}

    def embed(start: int) -> None:
        results[start] = litert.embed(many_pictures[start : start + 9])

    threads = [threading.Thread(target=embed, args=(start,)) for start in range(0, 48, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(rows, litert_vectors[at : at + 9]) for at, rows in results.items())
    assert len(results) == 8


def test_smooth_differs_only_in_the_preparation(litert: Embedder, weights: Path) -> None:
    smooth = load_embedder(f"{MODEL}-smooth", weights=weights, device="cpu")
    assert smooth.preparation.resample == "smooth"
    assert smooth.fingerprint.preprocessing == "smooth-224-v2"
    assert smooth.fingerprint.weights_sha256 == litert.fingerprint.weights_sha256
    grey = np.full((1, 224, 224, 3), 90, np.uint8)
    assert np.array_equal(smooth.embed(grey), litert.embed(grey))


def test_unprepared_pixels_are_refused(embedder: Embedder) -> None:
    with pytest.raises(UsageError, match=r"\(n, 224, 224, 3\), not float32 \(1, 224, 224, 3\)"):
        embedder.embed(np.zeros((1, 224, 224, 3), np.float32))
    with pytest.raises(UsageError, match=r"not uint8 \(224, 224, 3\)"):
        embedder.embed(np.zeros((224, 224, 3), np.uint8))


def test_device_gpu_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(ModelError, match=r"sees (no|a) GPU on this machine\. Use device='cpu'"):
        load_embedder(MODEL, device="gpu")
