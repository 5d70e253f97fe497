"""phash: imagehash's own hashes, as vectors."""

from __future__ import annotations

import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from vecsim.decode.image import decode_image
from vecsim.errors import FingerprintError, ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.records import Bool, Fingerprint, UInt8

SIDE = 128


def prepared(path: Path) -> UInt8:
    """A picture as the model's preparation says."""
    return decode_image(path.read_bytes(), load_embedder("phash").preparation).pixels


def hash_of(picture: UInt8) -> Bool:
    """The bits that imagehash has for a picture."""
    return np.asarray(imagehash.phash(Image.fromarray(picture)).hash.ravel())


def test_vectors_are_the_hashes_of_imagehash_for_prepared_pictures(shared: Path) -> None:
    pictures = np.stack([prepared(path) for path in sorted((shared / "seed-demo").glob("*.jpg"))])
    hashes = np.stack([hash_of(picture) for picture in pictures])
    vectors = load_embedder("phash").embed(pictures)
    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 64)
    assert np.array_equal(vectors > 0, hashes)
    assert np.all(np.abs(vectors) == 0.125)
    hamming = (hashes[:, None] != hashes[None]).sum(axis=2)
    assert np.array_equal(vectors @ vectors.T, 1 - 2 * hamming / 64)


def test_bits_that_rounding_could_decide_are_those_of_imagehash() -> None:
    """Coefficients of uniform and symmetrical pictures equal their median."""
    chance = np.random.default_rng(7)
    half = chance.integers(0, 256, (20, SIDE, SIDE // 2), dtype=np.uint8)
    ramp = np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))
    pictures = [
        *np.concatenate([half, half[:, :, ::-1]], axis=2),
        *chance.integers(0, 256, (20, SIDE, SIDE), dtype=np.uint8),
        *(np.full((SIDE, SIDE), level, np.uint8) for level in (0, 1, 128, 255)),
        ramp,
        ramp.T,
    ]
    vectors = load_embedder("phash").embed(np.stack(pictures))
    assert np.array_equal(vectors > 0, np.stack([hash_of(picture) for picture in pictures]))


def test_hashes_differ_little_from_those_of_whole_pictures(shared: Path) -> None:
    paths = sorted((shared / "seed-demo").glob("*.jpg"))
    vectors = load_embedder("phash").embed(np.stack([prepared(path) for path in paths]))
    whole = [imagehash.phash(Image.open(path)).hash.ravel() for path in paths]
    assert ((vectors > 0) != np.stack(whole)).sum(axis=1).max() <= 4


def test_another_preparation_than_that_of_the_index_is_refused() -> None:
    own = Fingerprint("phash", "", "smooth-128-L-v3", 64)
    assert load_embedder("phash", expected=own).fingerprint == own
    older = Fingerprint("phash", "", "lanczos-32-v1", 64)
    with pytest.raises(FingerprintError, match=r"lanczos-32-v1.*smooth-128-L-v3"):
        load_embedder("phash", expected=older)


def test_unprepared_pixels_and_weights_are_refused(tmp_path: Path) -> None:
    phash = load_embedder("phash")
    refused = r"uint8 and shape \(n, 128, 128\), not uint8 \(2, 128, 129\)"
    with pytest.raises(UsageError, match=refused):
        phash.embed(np.zeros((2, 128, 129), np.uint8))
    with pytest.raises(ModelError, match="phash has no weights"):
        load_embedder("phash", weights=tmp_path / "weights.h5")


def test_grey_of_a_jpeg_is_its_luma_also_beside_a_thumbnail_in_colour(shared: Path) -> None:
    data = (shared / "seed-demo" / "1.jpg").read_bytes()
    preparation = load_embedder("phash").preparation
    luma = Image.open(io.BytesIO(data))
    luma.draft("L", (128, 128))
    square = luma.resize((128, 128), Image.Resampling.BILINEAR, reducing_gap=1.0)
    alone = decode_image(data, preparation)
    both = decode_image(data, preparation, thumbnail_side=160)
    assert np.array_equal(alone.pixels, np.asarray(square))
    assert np.array_equal(both.pixels, alone.pixels)
    assert both.entropy == alone.entropy
    thumbnail = np.asarray(Image.open(io.BytesIO(both.thumbnail)).convert("RGB"), np.int16)
    assert np.ptp(thumbnail, axis=2).max() > 40
