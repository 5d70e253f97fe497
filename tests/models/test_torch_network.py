"""The models of the package in PyTorch: the vectors of the processor, whatever the batch.

The same code runs on a GPU; here PyTorch computes on the processor, without compiling.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the models on a GPU need PyTorch")

import torch

from support.models import MODEL, SMALL, unit
from vecsim.errors import ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.models.families.bundled import read_flatbuffer, torch_network
from vecsim.models.registry import find_spec
from vecsim.models.torch_network import BATCH_OF_TESTS, TorchEmbedder
from vecsim.protocols import Embedder
from vecsim.records import Float32, UInt8


@pytest.fixture(scope="module")
def bundled() -> Embedder:
    return load_embedder("bundled", device="torch-cpu")


@pytest.fixture(scope="module")
def squares(bundled: Embedder) -> UInt8:
    """More batches than the GPU is given ahead: stripes, and noise."""
    random = np.random.default_rng(3)
    shape = (4 * BATCH_OF_TESTS + 1, *bundled.preparation.shape)
    pictures = random.integers(0, 256, shape, dtype=np.uint8)
    pictures[::2] = pictures[::2] // 64 * 20 + np.arange(shape[1], dtype=np.uint8)[:, None]
    return pictures


def farthest(found: Float32, expected: Float32) -> float:
    return float(np.linalg.norm(unit(found) - unit(expected), axis=1).max())


def test_the_bundled_model_gives_the_vectors_of_litert(bundled: Embedder, squares: UInt8) -> None:
    litert = load_embedder("bundled", device="cpu")
    found = bundled.embed(squares)
    assert farthest(found, litert.embed(squares)) < 2e-6
    assert bundled.fingerprint == litert.fingerprint
    assert (bundled.preparation, bundled.threshold) == (litert.preparation, litert.threshold)
    for start in (5, len(squares) - 1, len(squares)):
        assert np.array_equal(bundled.embed(squares[start:]), found[start:])


@pytest.mark.ci
def test_mobilenet_gives_the_vectors_of_litert(
    weights: Path, converted_models: Path, pictures: UInt8
) -> None:
    found = load_embedder(MODEL, weights=weights, device="torch-cpu")
    expected = load_embedder(MODEL, weights=weights, device="cpu")
    assert farthest(found.embed(pictures), expected.embed(pictures)) < 1e-5
    assert found.fingerprint == expected.fingerprint


@pytest.mark.ci
def test_weights_in_the_format_of_current_keras_give_its_vectors(small_weights: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), dtype=np.uint8)
    found = load_embedder(SMALL, weights=small_weights, device="torch-cpu").embed(noise)
    expected = load_embedder(SMALL, weights=small_weights, device="keras-cpu").embed(noise)
    assert farthest(found, expected) < 1e-5


def test_pixels_of_another_shape_are_refused(bundled: Embedder) -> None:
    with pytest.raises(UsageError, match="the model takes pixels of dtype uint8"):
        bundled.embed(np.zeros((1, 8, 8, 3), np.uint8))


def test_what_pytorch_cannot_run_is_said() -> None:
    network = torch_network(read_flatbuffer())
    broken = replace(network, constants=[row[:7] for row in network.constants])
    with pytest.raises(ModelError, match="PyTorch cannot run the model: mat1 and mat2"):
        TorchEmbedder(find_spec("bundled"), broken, "0" * 64, "torch-cpu")


def test_the_precision_that_others_set_is_left_as_it_was(bundled: Embedder, squares: UInt8) -> None:
    before = torch.get_float32_matmul_precision()
    bundled.embed(squares[:1])
    assert torch.get_float32_matmul_precision() == before
