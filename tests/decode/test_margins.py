"""Margins of one colour: what is cut away, and what is left as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from support.models import ROOT
from support.pictures import file_of, photograph
from vecsim.decode.image import decode_image
from vecsim.decode.margins import without_margins
from vecsim.protocols import Preparation

KEPT = Preparation(160, "smooth")
TRIMMED = Preparation(160, "smooth", margins="trimmed")
PICTURE = photograph(300, 200)


def differences(one: Image.Image, two: Image.Image) -> float:
    """Return the mean difference of two pictures at 64 x 64."""
    small = [np.asarray(each.resize((64, 64)), np.float32) for each in (one, two)]
    return float(np.abs(small[0] - small[1]).mean())


def on_screen(picture: Image.Image) -> Image.Image:
    """Show a picture on a dark phone with a clock and a row of buttons."""
    page = Image.new("RGB", (320, 640), (18, 18, 20))
    drawn = ImageDraw.Draw(page)
    drawn.text((10, 8), "12:30", "white")
    for left in (40, 140, 240):
        drawn.ellipse((left, 600, left + 16, 616), outline="white")
    page.paste(picture.resize((320, 213)), (0, 200))
    return page


def in_post(picture: Image.Image) -> Image.Image:
    """Show a picture on a white page between a name and lines of text."""
    page = Image.new("RGB", (360, 640), "white")
    drawn = ImageDraw.Draw(page)
    drawn.text((40, 20), "Somebody", "black")
    page.paste(picture.resize((330, 220)), (15, 60))
    for top in range(310, 600, 30):
        drawn.text((15, top), "words and further words", "black")
    return page


FRAMES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "white": lambda picture: ImageOps.expand(picture, 60, "white"),
    "uneven": lambda picture: ImageOps.expand(picture, (20, 90, 70, 30), "#404040"),
    "bars": lambda picture: ImageOps.pad(picture, (300, 300), color="black"),
    "screen": on_screen,
    "post": in_post,
}


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("frame", FRAMES)
def test_a_picture_is_found_in_its_frame(frame: str, quality: int) -> None:
    framed = FRAMES[frame](PICTURE)
    assert differences(framed, PICTURE) > 20
    data = file_of(framed, "JPEG", quality=quality)
    found = decode_image(data, TRIMMED).pixels
    plain = decode_image(file_of(PICTURE, "JPEG", quality=quality), TRIMMED).pixels
    assert np.abs(found.astype(int) - plain).mean() < 7


def thin_margin() -> Image.Image:
    return ImageOps.expand(PICTURE, 1, "white")


def speck() -> Image.Image:
    page = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(page).ellipse((180, 140, 200, 160), "black")
    return page


def shadow() -> Image.Image:
    """A disc with a wide soft shadow: where it ends depends on the light."""
    page = Image.new("L", (300, 300), 0)
    ImageDraw.Draw(page).ellipse((90, 90, 210, 210), 255)
    soft = page.filter(ImageFilter.GaussianBlur(45))
    return ImageOps.invert(soft).convert("RGB")


def sky() -> Image.Image:
    """A bright sky above a town: only one side has one colour."""
    page = Image.new("RGB", (300, 300), (250, 250, 252))
    page.paste(PICTURE.resize((300, 150)), (0, 150))
    return page


def text() -> Image.Image:
    """A page of text: no part of it is a picture."""
    page = Image.new("RGB", (300, 400), "white")
    drawn = ImageDraw.Draw(page)
    for top in range(2, 390, 16):
        drawn.text((2, top), "letters of a page that is full of text and text", "black")
    return page


UNCHANGED: dict[str, Callable[[], Image.Image]] = {
    "photograph": lambda: PICTURE,
    "one colour": lambda: Image.new("RGB", (200, 100), "white"),
    "one pixel": lambda: Image.new("RGB", (1, 1), "white"),
    "a line": lambda: Image.new("RGB", (1, 500), "red"),
    "speck": speck,
    "soft shadow": shadow,
    "sky": sky,
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_other_pictures_stay_whole(name: str) -> None:
    picture = UNCHANGED[name]()
    assert without_margins(picture) is picture
    data = file_of(picture)
    assert np.array_equal(decode_image(data, TRIMMED).pixels, decode_image(data, KEPT).pixels)


def test_of_a_page_of_text_no_line_is_cut_out() -> None:
    page = text()
    left = without_margins(page)
    assert left.height > 0.9 * page.height


def test_a_product_on_white_stays_whole_in_every_light() -> None:
    page = Image.new("RGB", (400, 400), "white")
    page.paste(PICTURE.resize((200, 240)), (90, 60), disc(200, 240))
    for each in (
        page,
        ImageEnhance.Brightness(page).enhance(0.6),
        ImageEnhance.Contrast(page).enhance(0.7),
        ImageOps.expand(page, 50, "white"),
    ):
        assert without_margins(each) is each


def disc(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, width, height), 255)
    return mask


def test_copies_of_a_card_are_cut_alike() -> None:
    """A drawing on a card with words below it, and a copy in a frame: the demo's teapot."""
    card, framed = (Image.open(ROOT / f"demo/images/{number}.jpg") for number in (5, 6))
    assert without_margins(card) is card
    inside = without_margins(framed)
    assert differences(inside, card) < differences(framed, card)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("resample", ["nearest", "smooth", "lanczos"])
def test_every_kind_of_preparation_can_trim(resample: str, mode: str) -> None:
    framed = file_of(ImageOps.expand(PICTURE, 60, "white"))
    whole, trimmed = (
        decode_image(framed, Preparation(64, resample, mode, margins=margins)).pixels
        for margins in ("kept", "trimmed")
    )
    assert (whole[:, 0] == 255).all()
    assert not (trimmed[:, 0] == 255).all()


def test_a_small_picture_in_a_large_jpeg_is_decoded_with_all_its_pixels() -> None:
    page = Image.new("RGB", (2400, 1600), "white")
    page.paste(photograph(700, 500), (800, 500))
    found = decode_image(file_of(page, "JPEG", quality=95), TRIMMED).pixels
    plain = decode_image(file_of(photograph(700, 500), "JPEG", quality=95), TRIMMED).pixels
    assert np.abs(found.astype(int) - plain).mean() < 3


def test_the_word_of_the_preparation_says_it() -> None:
    assert TRIMMED.text == "smooth-160-trimmed-v2"
