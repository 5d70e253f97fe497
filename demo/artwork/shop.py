"""What shops do to a picture: the edits that make near-duplicates of the originals."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return the picture as a JPEG file."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
    return file.getvalue()


def recompress(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture as it looks once a shop saved it as a smaller JPEG."""
    return Image.open(BytesIO(jpeg(picture, quality))).convert("RGB")


def crop(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut the given share of the width or height off every side."""
    wide, high = picture.size
    return picture.crop(
        (
            round(wide * left),
            round(high * top),
            round(wide * (1 - right)),
            round(high * (1 - bottom)),
        )
    )


def resize(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return the picture in another size, whatever that does to its proportions."""
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def thumbnail(picture: Image.Image, height: int) -> Image.Image:
    """Return a small copy with its proportions kept."""
    return resize(picture, round(picture.width * height / picture.height), height)


def border(picture: Image.Image, width: int, colour: str) -> Image.Image:
    """Put a border of one colour around the picture."""
    return ImageOps.expand(picture, width, colour)


def wash_out(picture: Image.Image, strength: float, tint: str = "#ffffff") -> Image.Image:
    """Return pale, greyish colours, as a bad scan or a printed catalogue has them."""
    grey = ImageOps.grayscale(picture).convert("RGB")
    duller = Image.blend(picture, grey, strength)
    return Image.blend(duller, Image.new("RGB", picture.size, tint), strength)


def watermark(picture: Image.Image, text: str, size: int, opacity: float) -> Image.Image:
    """Write a shop's name over the lower right corner and, larger and fainter, across."""
    picture = picture.copy()
    for scale, strength, turn, place in (
        (1.0, opacity, 0, (0.965, 0.895)),
        (1.75, 0.45 * opacity, 24, None),
    ):
        font = ImageFont.load_default(size=round(size * scale))
        mask = Image.new("L", picture.size, 0)
        anchor = "rs" if place else "mm"
        x, y = place or (0.5, 0.5)
        spot = (picture.width * x, picture.height * y)
        ImageDraw.Draw(mask).text(spot, text, 255, font, anchor, stroke_width=max(1, size // 28))
        mask = mask.rotate(turn, Image.Resampling.BICUBIC)
        mask = mask.point([round(value * strength) for value in range(256)])
        shadow = ImageChops.offset(mask, 2, 2).point([value // 2 for value in range(256)])
        picture.paste("#101830", mask=shadow)
        picture.paste("#ffffff", mask=mask)
    return picture


def badge(picture: Image.Image, text: str, radius: int) -> Image.Image:
    """Stick a round sales badge on the upper left corner."""
    scale = 4
    size = 2 * radius * scale
    sticker = Image.new("RGBA", (size, size))
    draw = ImageDraw.Draw(sticker)
    draw.ellipse((0, 0, size - 1, size - 1), "#f2b705")
    draw.ellipse(
        [size * 0.06, size * 0.06, size * 0.94, size * 0.94], outline="#fff8df", width=2 * scale
    )
    font = ImageFont.load_default(size=round(size * 0.30))
    draw.text((size / 2, size / 2), text, "#3a2a10", font, "mm", stroke_width=scale)
    sticker = sticker.resize((2 * radius, 2 * radius), Image.Resampling.LANCZOS)
    picture = picture.copy()
    picture.paste(sticker, (round(radius * 0.4), round(radius * 0.4)), sticker)
    return picture


def stretched_with_watermark(cover: Image.Image) -> bytes:
    """Picture 1: the cover in the wrong proportions, marked by a shop, saved once too often."""
    wide = resize(cover, 860, 800)
    marked = watermark(wide, "papermoth.example", 36, 0.55)
    return jpeg(recompress(marked, 60), 72)


def faded_thumbnail(cover: Image.Image) -> bytes:
    """Picture 2: a pale thumbnail, a little cropped, with a white border."""
    cropped = crop(cover, 0.020, 0.010, 0.010, 0.015)
    small = thumbnail(wash_out(cropped, 0.20), 300)
    return jpeg(border(small, 4, "#ffffff"), 55)


def framed_offer(card: Image.Image) -> bytes:
    """Picture 6: the product card in a marketplace: duller, framed, with a badge, compressed."""
    cropped = crop(card, 0.015, 0.010, 0.015, 0.018)
    small = thumbnail(wash_out(cropped, 0.18, "#efe9dc"), 600)
    offer = badge(small, "-20%", 46)
    return jpeg(recompress(border(offer, 6, "#2a2a2a"), 40), 60)
