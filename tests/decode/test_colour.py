"""Colour profiles, and the ground under transparency."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from support.pictures import file_of, photograph
from support.profiles import SPACES, picture_in, profile
from vecsim.decode import decode_image
from vecsim.models import load_embedder
from vecsim.protocols import Preparation
from vecsim.records import Decoded
from vecsim.search.score import normalise, score_pairs

DEMO = Path(__file__).parents[2] / "demo" / "images"
STORED, SRGB = Preparation(160, "smooth"), Preparation(160, "smooth", colours="srgb")


def _demo_picture() -> Image.Image:
    picture = Image.open(DEMO / "4.jpg").convert("RGB")
    picture.thumbnail((640, 640))
    return picture


def _in_space(space: str) -> bytes:
    """The demo picture in `space`, with the profile that says so."""
    pixels = picture_in(space, _demo_picture())
    return file_of(pixels, "JPEG", quality=92, icc_profile=profile(space))


def _thumbnail(found: Decoded) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(found.thumbnail)).convert("RGB")).astype(int)


@pytest.mark.parametrize("space", SPACES)
def test_thumbnails_show_the_colours_of_a_profile(space: str) -> None:
    plain = file_of(_demo_picture(), "JPEG", quality=92)
    expected = _thumbnail(decode_image(plain, STORED, thumbnail_side=160))
    found = _thumbnail(decode_image(_in_space(space), STORED, thumbnail_side=160))
    without = file_of(picture_in(space, _demo_picture()), "JPEG", quality=92)
    raw = _thumbnail(decode_image(without, STORED, thumbnail_side=160))
    difference = abs(found - expected).mean()  # WebP itself changes pixels by about 4
    assert difference < 5
    assert difference < abs(raw - expected).mean() / 1.7


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.ci
def test_pixels_of_models_of_today_ignore_profiles(space: str) -> None:
    pixels = picture_in(space, _demo_picture())
    plain = decode_image(file_of(pixels), STORED).pixels
    assert np.array_equal(
        decode_image(file_of(pixels, icc_profile=profile(space)), STORED).pixels, plain
    )


def test_a_profile_gives_the_same_warning_where_it_is_used_and_where_it_is_not() -> None:
    chance = np.random.default_rng(5)
    texts = []
    for space in [*SPACES] * 5:
        damaged = bytearray(profile(space))
        for position in chance.integers(0, 400, 5):
            damaged[position % len(damaged)] = chance.integers(256)
        data = file_of(Image.new("RGB", (8, 8)), icc_profile=bytes(damaged))
        used, unused = decode_image(data, SRGB).warnings, decode_image(data, STORED).warnings
        assert unused == used
        texts += used
    assert "the colour profile cannot be read" in texts[0]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("space", SPACES)
def test_a_preparation_can_convert_to_srgb(space: str, mode: str) -> None:
    preparation = Preparation(160, "smooth", mode, colours="srgb")
    expected = decode_image(file_of(_demo_picture()), preparation).pixels.astype(int)
    found = decode_image(_in_space(space), preparation).pixels
    assert found.shape == preparation.shape
    assert abs(found - expected).mean() < 3.5


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
def test_scores_of_wide_spaces_with_and_without_conversion(space: str) -> None:
    embedder = load_embedder("bundled")
    scores = {}
    for preparation in (STORED, SRGB):
        files = [file_of(_demo_picture()), _in_space(space)]
        pixels = np.stack([decode_image(data, preparation).pixels for data in files])
        unit = normalise(embedder.embed(pixels))
        (scores[preparation.colours],) = score_pairs(unit, unit, np.array([0]), np.array([1]))
    assert scores["srgb"] > 0.99
    assert scores["srgb"] > scores["stored"]


def test_a_profile_of_srgb_changes_nothing() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode_image(file_of(photograph()), SRGB, thumbnail_side=160)
    found = decode_image(file_of(photograph(), icc_profile=own), SRGB, thumbnail_side=160)
    assert np.array_equal(found.pixels, plain.pixels)
    assert found.thumbnail == plain.thumbnail
    assert found.warnings == ()


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "LA"])
def test_pictures_of_other_modes_with_a_profile_are_decoded(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    data = file_of(photograph().convert(mode), form, icc_profile=profile("ProPhoto"))
    assert decode_image(data, SRGB, thumbnail_side=160).warnings == ()


def _logo(kind: str) -> bytes:
    """A white figure on transparent ground."""
    picture = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    box = (50, 50, 250, 250)
    draw.ellipse(box, "white") if kind == "disc" else draw.rectangle(box, "white")
    return file_of(picture)


def test_white_logos_are_laid_on_black_where_a_preparation_asks() -> None:
    white = Preparation(160, "smooth")
    contrast = Preparation(160, "smooth", ground="contrast")
    disc, square = _logo("disc"), _logo("square")
    assert (decode_image(disc, white).pixels == 255).all()
    discs, squares = (decode_image(data, contrast).pixels for data in (disc, square))
    assert not np.array_equal(discs, squares)
    for pixels in (discs, squares):
        assert (pixels[0, 0] == 0).all()
        assert (pixels[80, 80] == 255).all()


@pytest.mark.parametrize("resample", ["nearest", "smooth", "lanczos"])
def test_other_transparent_pictures_stay_on_white(resample: str) -> None:
    faded = photograph()
    faded.putalpha(faded.convert("L"))
    for picture in (faded, Image.new("RGBA", (60, 60), (0, 0, 0, 0)), photograph()):
        data = file_of(picture)
        expected = decode_image(data, Preparation(64, resample)).pixels
        found = decode_image(data, Preparation(64, resample, ground="contrast")).pixels
        assert np.array_equal(found, expected)


def test_preparations_of_today_keep_their_names() -> None:
    assert Preparation(160, "smooth").text == "smooth-160-v2"
    assert Preparation(32, "lanczos", "L").text == "lanczos-32-v1"
    both = Preparation(160, "smooth", colours="srgb", ground="contrast")
    assert both.text == "smooth-160-srgb-contrast-v2"
    for wrong in ({"colours": "p3"}, {"ground": "pink"}, {"mode": "CMYK"}, {"resample": "no"}):
        with pytest.raises(ValueError, match="must be one of"):
            Preparation(**{"size": 8, "resample": "smooth", **wrong})  # type: ignore[arg-type]
