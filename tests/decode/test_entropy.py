"""The entropy of pictures, which tells uniform ones from others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from support.pictures import file_of, photograph
from vecsim.decode import decode_image
from vecsim.decode.transform import entropy
from vecsim.errors import ImageError
from vecsim.protocols import Preparation
from vecsim.records import is_uniform

PREPARATIONS = (
    Preparation(160, "smooth"),
    Preparation(224, "nearest"),
    Preparation(32, "lanczos", "L"),
)


def _noise(level: int) -> Image.Image:
    values = np.random.default_rng(0).normal(level, 3, (300, 400, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _gradient() -> Image.Image:
    rows = np.linspace(200, 210, 300)[:, None, None]
    return Image.fromarray(np.broadcast_to(rows, (300, 400, 3)).astype(np.uint8))


def _page(text: str, size: int) -> Image.Image:
    page = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(page).text((150, 150), text, fill="black", font=ImageFont.load_default(size))
    return page


UNIFORM = {
    "white": Image.new("RGB", (400, 300), "white"),
    "red": Image.new("RGB", (400, 300), (200, 30, 30)),
    "black": Image.new("L", (400, 300), 0),
    "nearly black": Image.new("RGB", (400, 300), (6, 6, 6)),
    "dark noise": _noise(8),
    "grey noise": _noise(128),
    "faint gradient": _gradient(),
    "transparent": Image.new("RGBA", (300, 300), (0, 0, 0, 0)),
    "one pixel": Image.new("RGB", (1, 1), (1, 2, 3)),
}
VARIED = {
    "a letter": _page("7", 90),
    "a word": _page("RECEIPT", 24),
    "a photograph": photograph(),
    "half and half": Image.fromarray(np.repeat(np.uint8([[0, 255]]), 100, 1).repeat(200, 0)),
    "two colours of one lightness": Image.fromarray(
        np.where(np.arange(100)[:, None, None] < 30, np.uint8([255, 0, 0]), np.uint8([0, 130, 0]))
        .repeat(100, 1)
        .astype(np.uint8)
    ),
}


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=lambda each: each.text)
@pytest.mark.parametrize("name", UNIFORM)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_uniform_pictures(name: str, preparation: Preparation, form: str) -> None:
    picture = UNIFORM[name] if form == "PNG" else UNIFORM[name].convert("RGB")
    options = {"quality": 60} if form == "JPEG" else {}
    found = decode_image(file_of(picture, form, **options), preparation)
    assert is_uniform(found.entropy)


@pytest.mark.parametrize("preparation", PREPARATIONS[:2], ids=lambda each: each.text)
@pytest.mark.parametrize("name", VARIED)
def test_pictures_with_anything_on_them_are_not_uniform(
    name: str, preparation: Preparation
) -> None:
    found = decode_image(file_of(VARIED[name]), preparation)
    assert found.entropy is not None
    assert found.entropy > 40


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=lambda each: each.text)
@pytest.mark.ci
def test_no_real_photograph_is_uniform(shared: Path, preparation: Preparation) -> None:
    seen = 0
    for file in sorted((shared / "near-duplicates").rglob("*.jpg")):
        try:
            found = decode_image(file.read_bytes(), preparation)
        except ImageError:  # some are damaged on purpose
            continue
        assert found.entropy is not None
        assert found.entropy > 300, file
        seen += 1
    assert seen > 20


def test_entropy_is_that_of_the_levels_in_steps_around_their_median() -> None:
    half = Image.fromarray(np.repeat(np.uint8([[10, 200]]), 32, 1).repeat(64, 0))
    quarters = Image.fromarray(np.repeat(np.uint8([[0, 80, 160, 240]]), 16, 1).repeat(64, 0))
    assert (entropy(half), entropy(quarters)) == (1000, 2000)
    close = Image.fromarray(np.repeat(np.uint8([[100, 111]]), 32, 1).repeat(64, 0))
    assert entropy(close) == 0
    assert entropy(Image.merge("RGB", [close, quarters, half])) == 2000


def test_an_unknown_entropy_is_not_uniform() -> None:
    assert not is_uniform(None)
    assert is_uniform(0)
    assert not is_uniform(21)


def test_the_pool_of_decoders_measures_the_same(tmp_path: Path) -> None:
    from vecsim.decode import DecoderPool

    stream = io.BytesIO()
    _page("A", 90).save(stream, "PNG")
    with DecoderPool(1, PREPARATIONS[0]) as pool:
        found = pool.submit(stream.getvalue()).result(60)
    assert found.entropy == decode_image(stream.getvalue(), PREPARATIONS[0]).entropy
