"""Edits of pictures that people pass on: turned, on a screen, photographed, in a meme or a collage.

As in `_edits.py`, each takes an RGB picture and a random generator and returns the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from _edits import Edit, enhance
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

PHONE, DESKTOP = (540, 960), (960, 540)  # pixels of screens
DARK = (18, 18, 20)
WORDS = "the of a morning with our new house garden light water from all was photo by more see"


def words(count: int, random: np.random.Generator) -> str:
    """Return `count` words, seeded by `random`."""
    return " ".join(random.choice(WORDS.split(), count))


def write(
    drawn: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: float, colour: str
) -> None:
    """Write a line of text, `size` pixels high."""
    drawn.text(at, text, colour, ImageFont.load_default(size=max(6, size)))


def mirrored(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Exchange left and right."""
    return ImageOps.mirror(image)


def turned(degrees: int) -> Edit:
    """Turn by a multiple of 90 degrees."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        return image.rotate(degrees, expand=True)

    return apply


def quarter_turned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turn by 90 degrees, to the left or to the right."""
    return image.rotate(90 if random.random() < 0.5 else 270, expand=True)


def cropped_to(share: float) -> Edit:
    """Keep `share` of width and of height, at a random place."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left = int(random.integers(image.width - width + 1))
        top = int(random.integers(image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return apply


def white_margin(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Put the picture on white, with 8 to 25 % of its longer side around it."""
    return ImageOps.expand(image, round(random.uniform(0.08, 0.25) * max(image.size)), "white")


def viewed_on(screen: tuple[int, int]) -> Edit:
    """Show the picture alone on a dark screen, with a clock above and buttons below."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        page = Image.new("RGB", screen, DARK)
        drawn = ImageDraw.Draw(page)
        write(drawn, (16, 6), f"{random.integers(24):02}:{random.integers(60):02}", 14, "white")
        drawn.rectangle((screen[0] - 40, 8, screen[0] - 18, 18), outline="white")
        drawn.rectangle((screen[0] - 38, 10, screen[0] - 24, 16), "white")
        for number in range(4):
            middle = screen[0] * (number + 0.5) / 4
            at = (middle - 9, screen[1] - 34, middle + 9, screen[1] - 16)
            drawn.ellipse(at, outline="#c8c8c8", width=2)
        shown = ImageOps.contain(image, (screen[0], screen[1] - 90))
        page.paste(shown, ((screen[0] - shown.width) // 2, (screen[1] - shown.height) // 2))
        return page

    return apply


def in_a_feed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Show the picture on a phone, in a post: a coloured bar, a name, buttons and some text."""
    page = Image.new("RGB", PHONE, "white")
    drawn = ImageDraw.Draw(page)
    write(drawn, (16, 6), f"{random.integers(24):02}:{random.integers(60):02}", 14, "black")
    drawn.rectangle((0, 28, PHONE[0], 84), str(random.choice(["#205090", "#f4f4f4", "#303030"])))
    write(drawn, (20, 44), words(1, random).title(), 22, "#a0a0a0")
    drawn.ellipse((14, 98, 54, 138), "#9a7050")
    write(drawn, (66, 108), words(2, random).title(), 17, "black")
    shown = ImageOps.contain(image, (PHONE[0], 560))
    page.paste(shown, ((PHONE[0] - shown.width) // 2, 150))
    below = 150 + shown.height + 14
    for number in range(3):
        left = 18 + 48 * number
        drawn.ellipse((left, below, left + 26, below + 26), outline="black", width=3)
    for number in range((PHONE[1] - below - 60) // 26):
        write(drawn, (18, below + 42 + 26 * number), words(8, random), 16, "#202020")
    return page


def screenshot(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Show the picture on a phone alone, in a post, or on a desktop."""
    ways = (viewed_on(PHONE), in_a_feed, viewed_on(DESKTOP))
    return ways[int(random.integers(len(ways)))](image, random)


def filtered(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Apply a filter as of an app: warm and faded, cold, sepia, or vivid with dark corners."""
    way = int(random.integers(4))
    if way == 2:
        return ImageOps.colorize(ImageOps.grayscale(image), "#201408", "#fff0d0", "#a08058")
    if way == 3:
        vivid = ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.6)).enhance(1.25)
        ys, xs = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
        dark = 1 - 0.45 * np.clip(np.hypot(ys, xs) - 0.4, 0, 1)
        return Image.fromarray((np.asarray(vivid) * dark[..., None]).astype(np.uint8))
    tint = ("#ffc080", "#80b0ff")[way]
    pale = enhance(ImageEnhance.Contrast, 0.8)(image, random)
    return Image.blend(pale, Image.new("RGB", image.size, tint), 0.22)


def photographed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Photograph the picture on a table: in perspective, out of focus, in uneven light, noisy."""
    table = Image.new("RGB", (720, 720), tuple(int(c) for c in random.integers(40, 200, 3)))
    corners = corners_of(image.size, 720, random)
    warped = image.transform(
        table.size,
        Image.Transform.PERSPECTIVE,
        perspective(corners, image.size),
        Image.Resampling.BICUBIC,
    )
    mask = Image.new("L", table.size)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in corners], 255)
    table.paste(warped, mask=mask)
    soft = table.filter(ImageFilter.GaussianBlur(random.uniform(0.8, 2.0)))
    pixels = np.asarray(soft, np.float32)
    ys, xs = np.mgrid[-1:1:720j, -1:1:720j]
    angle = random.uniform(0, 2 * np.pi)
    light = random.uniform(0.75, 1.15) * (1 + 0.3 * (np.cos(angle) * xs + np.sin(angle) * ys))
    cast = random.uniform(0.88, 1.12, 3)
    pixels = pixels * light[..., None] * cast + random.normal(0, 5, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def corners_of(
    size: tuple[int, int], side: int, random: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return where the corners of a picture lie in a photograph of `side` pixels: (4, 2)."""
    scale = side * random.uniform(0.72, 0.92) / max(size)
    half = np.array(size) * scale / 2
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    angle = np.deg2rad(random.uniform(-8, 8))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    moved: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        square @ turn.T + random.uniform(-0.06, 0.06, (4, 2)) * side + side / 2
    )
    return moved


def perspective(
    corners: np.ndarray[tuple[int, int], np.dtype[np.float64]], size: tuple[int, int]
) -> tuple[float, ...]:
    """Return Pillow's coefficients that bring `corners` (4, 2) to those of a picture of `size`."""
    width, height = size
    rows, values = [], []
    for (x, y), (u, v) in zip(
        corners, ((0, 0), (width, 0), (width, height), (0, height)), strict=True
    ):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows), np.array(values)).tolist())


def meme(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Write a caption on a white band above, and half of the time another one into the picture."""
    band = round(image.height * random.uniform(0.16, 0.28))
    page = Image.new("RGB", (image.width, image.height + band), "white")
    page.paste(image, (0, band))
    drawn = ImageDraw.Draw(page)
    write(drawn, (image.width * 0.04, band * 0.12), words(4, random), band * 0.28, "black")
    write(drawn, (image.width * 0.04, band * 0.52), words(3, random), band * 0.28, "black")
    if random.random() < 0.5:
        font = ImageFont.load_default(size=max(8, image.height // 9))
        at = (image.width * 0.08, page.height - image.height * 0.17)
        text = words(3, random).upper()
        drawn.text(at, text, "white", font, stroke_width=2, stroke_fill="black")
    return page


def collage(others: Sequence[Path], across: int, down: int) -> Edit:
    """Put the picture into a grid with pictures of `others`, at a random place."""

    def apply(image: Image.Image, random: np.random.Generator) -> Image.Image:
        side = (400, 400 if down > 1 else 600)
        page = Image.new("RGB", (across * side[0] + 4, down * side[1] + 4), "white")
        own = int(random.integers(across * down))
        for place in range(across * down):
            shown = image if place == own else opened(others, random)
            fitted = ImageOps.fit(shown, (side[0] - 4, side[1] - 4))
            page.paste(fitted, (4 + place % across * side[0], 4 + place // across * side[1]))
        return page

    return apply


def opened(files: Sequence[Path], random: np.random.Generator) -> Image.Image:
    """Open one of `files` at random that can be read."""
    while True:
        try:
            return Image.open(files[int(random.integers(len(files)))]).convert("RGB")
        except (OSError, SyntaxError):
            continue


def passed_on(others: Sequence[Path]) -> Mapping[str, Callable[..., Image.Image]]:
    """Return all edits of this module by their names; collages contain pictures of `others`."""
    return {
        "mirrored": mirrored,
        "turned by 90": quarter_turned,
        "turned by 180": turned(180),
        "screenshot, phone": viewed_on(PHONE),
        "screenshot, post": in_a_feed,
        "screenshot, desktop": viewed_on(DESKTOP),
        "photographed": photographed,
        "white margin": white_margin,
        "meme": meme,
        "collage of two": collage(others, 2, 1),
        "collage of four": collage(others, 2, 2),
    }
