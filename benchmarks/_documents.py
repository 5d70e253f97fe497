"""Pictures that are no photographs: pages of text, tables, logos, drawings, charts, screens.

Each is drawn from a seed and shows something else, so two of them are never copies. Fonts are those
that matplotlib brings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Random = np.random.Generator
SEED = 23
PAPERS = ("white", "white", "white", "#fbf7ec", "#f2f2f2", "#fffbe0")
INKS = ("black", "black", "#202020", "#303060", "#502020")
COLOURS = ("#1040b0", "#c03020", "#20803c", "#e09010", "#703090", "#107080", "#d04080", "black")
STARTS, VOWELS, ENDS = (
    ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "st", "tr", "w"],
    "aeiou",
    ["", "n", "r", "s", "t"],
)


@cache
def fonts() -> list[str]:
    """Return the files of fonts with Latin letters."""
    import matplotlib

    files = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf"))
    return [str(file) for file in files if file.name.startswith(("DejaVu", "STIXGeneral"))]


def font(size: float, random: Random) -> ImageFont.FreeTypeFont:
    """Return one of the fonts, `size` pixels high."""
    return ImageFont.truetype(str(random.choice(fonts())), max(6, round(size)))


def word(random: Random) -> str:
    """Return a word that means nothing."""
    syllables = (
        f"{random.choice(STARTS)}{random.choice(list(VOWELS))}{random.choice(ENDS)}"
        for _ in range(random.integers(1, 4))
    )
    return "".join(syllables)


def words(count: int, random: Random) -> str:
    """Return `count` words."""
    return " ".join(word(random) for _ in range(count))


def page(random: Random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty page, upright or wide, and what draws on it."""
    width, height = int(random.integers(480, 800)), int(random.integers(480, 1000))
    made = Image.new("RGB", (width, height), str(random.choice(PAPERS)))
    return made, ImageDraw.Draw(made)


def text_page(random: Random) -> Image.Image:
    """A page with headings and paragraphs in one to three columns."""
    made, drawn = page(random)
    ink, margin = str(random.choice(INKS)), int(random.integers(20, 80))
    columns, size = int(random.integers(1, 4)), float(random.uniform(9, 20))
    face, head = font(size, random), font(size * random.uniform(1.4, 3), random)
    width = (made.width - margin * (columns + 1)) // columns
    for column in range(columns):
        left, top = margin + column * (width + margin), float(margin)
        while top < made.height - margin:
            if random.random() < 0.08:
                drawn.text((left, top), words(2, random).title(), ink, head)
                top += size * 3.4
            line = words(12, random)
            share = 1.0 if random.random() < 0.85 else float(random.uniform(0.2, 0.8))
            while line and drawn.textlength(line, face) > width * share:
                line = line.rpartition(" ")[0]
            drawn.text((left, top), line, ink, face)
            top += size * (1.4 if share == 1.0 else 2.2)
    return made


def table_page(random: Random) -> Image.Image:
    """A form or an invoice: a heading, an address and a table of words and numbers."""
    made, drawn = page(random)
    ink, size = str(random.choice(INKS)), float(random.uniform(10, 18))
    face, left = font(size, random), int(random.integers(20, 60))
    drawn.text((left, 30), words(2, random).title(), ink, font(size * 2.2, random))
    for row in range(int(random.integers(2, 6))):
        drawn.text((left, 90 + row * size * 1.4), words(3, random).title(), ink, face)
    columns, rows = int(random.integers(2, 7)), int(random.integers(4, 20))
    top, step = 200 + float(random.uniform(0, 80)), size * float(random.uniform(1.6, 2.6))
    wide = (made.width - 2 * left) / columns
    shaded = str(random.choice(["#dde6f4", "#eeeeee", "#f4e6dd"]))
    lined = random.random() < 0.6
    for row in range(rows):
        y = top + row * step
        if row == 0:
            drawn.rectangle((left, y, made.width - left, y + step), shaded)
        for column in range(columns):
            cell = word(random) if column == 0 or not row else f"{random.uniform(0, 1e3):,.2f}"
            drawn.text((left + column * wide + 4, y + 3), cell, ink, face)
        if lined:
            drawn.line((left, y + step, made.width - left, y + step), ink)
    return made


def logo(random: Random) -> Image.Image:
    """One to four simple shapes and a word on one colour."""
    ground = str(random.choice(["white", "white", "white", "#f4f4f4", *COLOURS]))
    side = int(random.integers(200, 600))
    made = Image.new("RGB", (int(side * random.uniform(1, 1.8)), side), ground)
    drawn = ImageDraw.Draw(made)
    usable = [colour for colour in COLOURS if colour != ground]
    middle, size = made.width * float(random.uniform(0.3, 0.7)), side * 0.55
    for _ in range(int(random.integers(1, 5))):
        x, y = middle + random.uniform(-0.3, 0.3) * size, side * random.uniform(0.25, 0.5)
        reach = size * random.uniform(0.15, 0.5)
        shape(drawn, (float(x), float(y)), float(reach), str(random.choice(usable)), random)
    name = word(random)
    name = name.upper() if random.random() < 0.5 else name.title()
    face = font(side * random.uniform(0.1, 0.22), random)
    left = (made.width - drawn.textlength(name, face)) / 2
    drawn.text((left, side * 0.72), name, str(random.choice(usable)), face)
    return made


def shape(
    drawn: ImageDraw.ImageDraw,
    middle: tuple[float, float],
    reach: float,
    colour: str,
    random: Random,
) -> None:
    """Draw a disc, a ring, a bar, an arc or a polygon of up to eight corners, or a star."""
    x, y = middle
    box = (x - reach, y - reach, x + reach, y + reach)
    way = int(random.integers(6))
    if way == 0:
        drawn.ellipse(box, colour)
    elif way == 1:
        drawn.ellipse(box, outline=colour, width=max(2, round(reach * random.uniform(0.1, 0.5))))
    elif way == 2:
        drawn.rounded_rectangle(box, reach * random.uniform(0, 0.6), colour)
    elif way == 3:
        start = random.uniform(0, 360)
        drawn.pieslice(box, start, start + random.uniform(60, 300), colour)
    else:
        count, inner = int(random.integers(3, 9)), random.uniform(0.3, 0.7) if way == 5 else 1.0
        turns = np.arange(2 * count) * np.pi / count + random.uniform(0, np.pi)
        reaches = np.where(np.arange(2 * count) % 2, inner, 1.0) * reach
        corners = np.stack([x + reaches * np.cos(turns), y + reaches * np.sin(turns)], axis=1)
        if way == 4:
            corners = corners[::2]
        drawn.polygon([(float(a), float(b)) for a, b in corners], colour)


def drawing(random: Random) -> Image.Image:
    """Lines of a pen on paper: curves, and outlines of shapes, here and there filled."""
    made, drawn = page(random)
    ink, width = str(random.choice(INKS)), int(random.integers(1, 5))
    for _ in range(int(random.integers(4, 30))):
        start = random.uniform(0.1, 0.9, 2) * made.size
        steps = np.cumsum(np.cumsum(random.normal(0, random.uniform(0.5, 3), (60, 2)), 0), 0)
        points = [(float(x), float(y)) for x, y in start + steps]
        drawn.line(points, ink, width, joint="curve")
    for _ in range(int(random.integers(0, 6))):
        at = tuple(float(each) for each in random.uniform(0.15, 0.85, 2) * made.size)
        shape(drawn, (at[0], at[1]), float(random.uniform(10, 90)), ink, random)
    return made


def chart(random: Random) -> Image.Image:
    """A chart of bars, lines or points between axes, with a title and labels."""
    width, height = int(random.integers(400, 800)), int(random.integers(300, 600))
    made = Image.new("RGB", (width, height), str(random.choice(PAPERS)))
    drawn, face = ImageDraw.Draw(made), font(random.uniform(9, 16), random)
    left, bottom, top = 60, height - 50, 60
    drawn.line((left, top, left, bottom, width - 20, bottom), "black", 2)
    drawn.text((width * 0.3, 14), words(3, random).title(), "black", font(18, random))
    for row in range(1, 6):
        y = bottom - row * (bottom - top) / 6
        drawn.line((left, y, width - 20, y), "#d0d0d0")
        drawn.text((8, y - 8), f"{row * random.integers(1, 90)}", "black", face)
    count, way = int(random.integers(3, 30)), int(random.integers(3))
    xs = left + (np.arange(count) + 0.5) * (width - 20 - left) / count
    for colour in random.permutation(list(COLOURS))[: random.integers(1, 4)].tolist():
        steps = random.uniform(0, 1, count) if way != 1 else np.cumsum(random.normal(0, 0.1, count))
        shares = (steps - steps.min()) / np.ptp(steps) * random.uniform(0.4, 0.95)
        points = [
            (float(x), float(bottom - share * (bottom - top)))
            for x, share in zip(xs, shares, strict=True)
        ]
        if way == 1:
            drawn.line(points, colour, 3)
        for x, y in points:
            if way == 0:
                drawn.rectangle((x - 120 / count, y, x + 120 / count, bottom), colour)
            elif way == 2:
                drawn.ellipse((x - 4, y - 4, x + 4, y + 4), colour)
    return made


def screen(random: Random) -> Image.Image:
    """A list in an app: a bar, rows with a small picture of one colour and two lines of text."""
    made = Image.new("RGB", (400, int(random.integers(600, 860))), "white")
    dark = random.random() < 0.4
    drawn = ImageDraw.Draw(made)
    drawn.rectangle((0, 0, *made.size), "#181818" if dark else "white")
    ink, bar = "white" if dark else "black", float(random.integers(40, 100))
    drawn.rectangle((0, 0, 400, bar), str(random.choice(COLOURS)))
    drawn.text((20, bar / 2 - 10), words(2, random).title(), "white", font(18, random))
    step, face, size = float(random.integers(44, 120)), font(13, random), font(17, random)
    y = bar + 8
    while y < made.height - step:
        side = step - 14
        shape(drawn, (14 + side / 2, y + side / 2), side / 2, str(random.choice(COLOURS)), random)
        drawn.text((step + 16, y + 2), words(3, random).title(), ink, size)
        drawn.text((step + 16, y + side / 2 + 4), words(5, random), "#808080", face)
        y += step
    return made


KINDS: Mapping[str, Callable[[Random], Image.Image]] = {
    "text": text_page,
    "table": table_page,
    "logo": logo,
    "drawing": drawing,
    "chart": chart,
    "screen": screen,
}


def documents(count: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield the names of `count` documents and the documents, equally many of each kind."""
    kinds = list(KINDS.items())
    for number in range(count):
        kind, draw = kinds[number % len(kinds)]
        yield f"{kind}-{number:05}", draw(np.random.default_rng([SEED, number]))


def write_documents(folder: Path, count: int) -> list[Path]:
    """Write `count` documents below `folder` as PNG; return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, made in documents(count):
        files.append(folder / f"{name}.png")
        made.save(files[-1], compress_level=1)
    return files
