"""phash: imagehash's own hashes, as vectors."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from vecsim.errors import FingerprintError, ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.records import Fingerprint, UInt8


def prepare(path: Path) -> UInt8:
    """A picture as `Preparation(32, "lanczos", "L")` says."""
    grey = Image.open(path).convert("L")
    return np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS))


def test_vectors_are_the_hashes_of_imagehash(shared: Path) -> None:
    paths = sorted((shared / "seed-demo").glob("*.jpg"))
    hashes = [imagehash.phash(Image.open(path)) for path in paths]
    vectors = load_embedder("phash").embed(np.stack([prepare(path) for path in paths]))
    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 64)
    assert np.array_equal(vectors > 0, np.stack([found.hash.ravel() for found in hashes]))
    assert np.all(np.abs(vectors) == 0.125)
    hamming = np.array([[a - b for b in hashes] for a in hashes])
    assert np.array_equal(vectors @ vectors.T, 1 - 2 * hamming / 64)


def test_another_preparation_than_that_of_the_index_is_refused() -> None:
    own = Fingerprint("phash", "", "lanczos-32-v1", 64)
    assert load_embedder("phash", expected=own).fingerprint == own
    older = Fingerprint("phash", "", "lanczos-32-v0", 64)
    with pytest.raises(FingerprintError, match=r"lanczos-32-v0.*lanczos-32-v1"):
        load_embedder("phash", expected=older)


def test_unprepared_pixels_and_weights_are_refused(tmp_path: Path) -> None:
    phash = load_embedder("phash")
    with pytest.raises(UsageError, match=r"uint8 and shape \(n, 32, 32\), not uint8 \(2, 32, 33\)"):
        phash.embed(np.zeros((2, 32, 33), np.uint8))
    with pytest.raises(ModelError, match="phash has no weights"):
        load_embedder("phash", weights=tmp_path / "weights.h5")
