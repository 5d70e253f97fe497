"""The bundled model: needs nothing else, and gives the same vectors in LiteRT and Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from support.models import unit
from vecsim.errors import FingerprintError, ModelError
from vecsim.models import load_embedder
from vecsim.models.families import bundled as family
from vecsim.models.families.bundled import FILE, FIRST, WEIGHTS_SHA256
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint, UInt8

DATA = files("vecsim.models") / "data"
MAX_BYTES = 2_500_000


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """The model on LiteRT, in a process that reaches neither a cache nor a network."""
    with pytest.MonkeyPatch.context() as patch:
        nowhere = str(tmp_path_factory.mktemp("nowhere") / "not-there")
        for name in ("KERAS_HOME", "VECSIM_CACHE"):
            patch.setenv(name, nowhere)
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        return load_embedder("bundled", device="cpu")


@pytest.fixture(scope="module")
def squares() -> UInt8:
    """64 pictures: gradients, stripes and noise."""
    random = np.random.default_rng(3)
    pictures = random.integers(0, 256, (64, 160, 160, 3), dtype=np.uint8)
    pictures[::2] = pictures[::2] // 64 * 20 + np.arange(160, dtype=np.uint8)[:, None]
    return pictures


def test_the_packaged_weights_have_the_recorded_hash_and_are_small() -> None:
    content = DATA.joinpath(FILE).read_bytes()
    assert hashlib.sha256(content).hexdigest() == WEIGHTS_SHA256
    assert len(content) <= MAX_BYTES
    assert {file.name for file in DATA.iterdir()} == {FILE, "NOTICE"}


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"bundled-3\.tflite in the package is damaged"):
        load_embedder("bundled")


@pytest.mark.ci
def test_keras_and_litert_give_the_same_vectors(bundled: Embedder, squares: UInt8) -> None:
    keras = load_embedder("bundled", device="keras-cpu")
    apart = unit(keras.embed(squares)) - unit(bundled.embed(squares))
    assert np.linalg.norm(apart, axis=1).max() < 2e-6
    assert keras.fingerprint == bundled.fingerprint
    assert np.array_equal(keras.embed(squares[:3]), keras.embed(squares)[:3])


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 2, 3, 4, 7, 8, 9, 16, 31, 33, 63),
        pytest.param(range(1, 65), marks=pytest.mark.slow, id="all"),
    ],
)
def test_every_batch_size_is_bit_equal(
    bundled: Embedder, squares: UInt8, sizes: Iterable[int]
) -> None:
    whole = bundled.embed(squares)
    for size in sizes:
        assert np.array_equal(bundled.embed(squares[-size:]), whole[-size:]), f"batch size {size}"
    one = load_embedder("bundled", threads=1)
    assert np.array_equal(one.embed(squares), whole)


def test_a_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="bundled-3 has weights of its own: it cannot take"):
        load_embedder("bundled", weights=tmp_path / "weights.h5")


def test_an_index_of_an_earlier_bundled_model_is_refused() -> None:
    earlier = Fingerprint("bundled-3", "0" * 64, "smooth-160-v1", 256)
    with pytest.raises(FingerprintError, match="Install the version of vecsim"):
        load_embedder("bundled", expected=earlier)
    with pytest.raises(FingerprintError, match="their vectors cannot be compared"):
        load_embedder("bundled", expected=FIRST)
