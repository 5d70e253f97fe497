"""pdq: pdqhash's own hashes, as vectors; a folder and an exact search through the command."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageEnhance, ImageOps

from vecsim.cli.group import cli
from vecsim.decode import decode_image
from vecsim.errors import FingerprintError, MissingExtraError, ModelError, UsageError
from vecsim.models import load_embedder
from vecsim.models.families.pdq import SPEC
from vecsim.records import Fingerprint, UInt8

DEMO = Path(__file__).resolve().parents[2] / "demo/images"


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return data.getvalue()


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Six pictures, and the same mirrored, which are other pictures."""
    pytest.importorskip("pdqhash")
    pictures = [Image.open(path).convert("RGB") for path in sorted(DEMO.glob("*.jpg"))]
    return [*pictures, *map(ImageOps.mirror, pictures)]


def prepared(pictures: list[Image.Image], quality: int = 90) -> UInt8:
    files = [jpeg(picture, quality) for picture in pictures]
    return np.stack([decode_image(data, SPEC.preparation).pixels for data in files])


def test_vectors_are_the_hashes_of_pdqhash(photographs: list[Image.Image]) -> None:
    import pdqhash

    pixels = prepared(photographs)
    bits = np.stack([pdqhash.compute(each)[0] for each in pixels])
    vectors = load_embedder("pdq").embed(pixels)
    assert (vectors.shape, vectors.dtype) == ((12, 256), np.float32)
    assert np.array_equal(vectors > 0, bits == 1)
    hamming = (bits[:, None] != bits[None]).sum(axis=2)
    assert np.array_equal(vectors @ vectors.T, 1 - 2 * hamming / 256)


def test_the_reduced_decode_is_near_the_hash_of_the_whole_picture(
    photographs: list[Image.Image],
) -> None:
    import pdqhash

    whole = np.stack([pdqhash.compute(np.asarray(each))[0] for each in photographs])
    own = load_embedder("pdq").embed(prepared(photographs)) > 0
    assert (own != whole).sum(axis=1).max() < 31


def test_a_command_finds_pairs_of_at_most_31_different_bits(
    photographs: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECSIM_INDEXES", str(tmp_path / "indexes"))
    pictures = [*photographs, *(ImageEnhance.Contrast(each).enhance(1.3) for each in photographs)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number:02}.jpg").write_bytes(jpeg(picture, 60))
    bits = load_embedder("pdq").embed(prepared(pictures, 60)) > 0
    hamming = (bits[:, None] != bits[None]).sum(axis=2)
    expected = {(i, j) for i in range(24) for j in range(i) if hamming[i, j] <= 31}

    done = CliRunner().invoke(
        cli, ["match", str(folder), "--model", "pdq", "--format", "csv", "--show-all"]
    )

    assert done.exit_code == 0, done.output
    found = {
        tuple(sorted(int(Path(row[name]).stem) for name in ("query_id", "reference_id")))[::-1]
        for row in csv.DictReader(io.StringIO(done.stdout))
    }
    assert found == expected
    assert {(i + 12, i) for i in range(12)} <= found


def test_the_threshold_admits_31_bits_and_not_32() -> None:
    assert round(1 - 2 * 32 / 256, 6) < SPEC.threshold <= round(1 - 2 * 31 / 256, 6)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vecsim\[pdq\]'"):
        load_embedder("pdq")


def test_weights_and_another_preparation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pdq has no weights"):
        load_embedder("pdq", weights=tmp_path / "weights.h5")
    with pytest.raises(FingerprintError, match=r"smooth-64-v1.*smooth-64-v2"):
        load_embedder("pdq", expected=Fingerprint("pdq", "", "smooth-64-v1", 256))


def test_unprepared_pixels_are_refused(photographs: list[Image.Image]) -> None:
    with pytest.raises(UsageError, match=r"uint8 and shape \(n, 64, 64, 3\)"):
        load_embedder("pdq").embed(np.zeros((2, 64, 64), np.uint8))
