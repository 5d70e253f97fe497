"""Picture 3: the cover of a novel, a mountain lake under a full moon."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import (
    SCALE,
    Canvas,
    FloatArray,
    Point,
    Stencil,
    font,
    gradient,
    lettering,
    mix,
    noise,
    rgb,
    smoothstep,
)
from .lakeside import paint_boat, paint_cabin, plant_pine
from .mountains import paint_range

WIDTH, HEIGHT = 720, 1020
SHORE = 652.0  # where the far shore meets the water
SQUEEZE = 0.80  # the reflection is a little shorter than what it reflects
MOON: Point = (416.0, 424.0)
MOON_RADIUS = 118.0
MOONLIGHT = "#fff3d2"

SKY = [
    (0.0, "#070c2b"),
    (0.20, "#0f1a4c"),
    (0.38, "#22347c"),
    (0.50, "#4a55a0"),
    (0.58, "#8a7db8"),
    (0.66, "#d9a3b0"),
]


def draw() -> Image.Image:
    """Draw the cover."""
    rng = np.random.default_rng(3)
    canvas = Canvas(WIDTH, HEIGHT)
    paint_sky(canvas, rng)
    paint_moon(canvas, rng)
    paint_clouds(canvas, rng)
    paint_mountains(canvas, rng)
    paint_far_shore(canvas, rng)
    paint_cabin(canvas, SHORE)
    paint_water(canvas, rng)
    paint_boat(canvas)
    paint_near_shore(canvas, rng)
    paint_title(canvas)
    paint_binding(canvas)
    return canvas.image()


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the night sky with a band of star dust and a few hundred stars."""
    canvas.pixels[:] = gradient(canvas.y / HEIGHT, SKY)
    along = canvas.x * 0.55 + canvas.y - 470
    cloudiness = noise(canvas.shape, (120, 120), rng, 5)
    band = np.exp(-((along / 110) ** 2)) * smoothstep(-0.5, 1.1, cloudiness)
    canvas.light(band.astype(np.float32), "#8f9cff", 0.30)

    faint, bright = canvas.stencil(), canvas.stencil()
    for _ in range(620):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, 1) ** 1.3 * 560
        faint.ellipse(x, y, rng.uniform(0.35, 0.95))
    for _ in range(34):
        x, y, size = rng.uniform(0, WIDTH), rng.uniform(0, 420), rng.uniform(2.5, 6)
        bright.polygon([(x - size, y), (x, y - 0.7), (x + size, y), (x, y + 0.7)])
        bright.polygon([(x, y - size), (x + 0.7, y), (x, y + size), (x - 0.7, y)])
    canvas.light(faint, "#dfe6ff", 0.75)
    canvas.light(bright, "#fff6e0", 0.95)


def paint_moon(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the moon: halo, disc, seas, craters and a darker limb."""
    dx, dy = canvas.x - MOON[0], canvas.y - MOON[1]
    distance = np.sqrt(dx * dx + dy * dy)
    beyond = np.maximum(distance - MOON_RADIUS, 0)
    canvas.light(np.exp(-beyond / 26), "#ffe2b0", 0.50)
    canvas.light(np.exp(-beyond / 120), "#b9b4ff", 0.42)

    seas = noise(canvas.shape, (95, 95), rng, 5) - 0.25 * dx / MOON_RADIUS
    surface = mix("#fff6dc", "#cfc2b4", smoothstep(0.05, 0.85, seas) * 0.9)
    surface = mix(surface, "#e0a98c", smoothstep(0.55, 1.0, distance / MOON_RADIUS) * 0.38)
    disc = canvas.stencil().ellipse(*MOON, MOON_RADIUS)
    canvas.paint(disc, surface)

    for _ in range(34):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 0.86)) * MOON_RADIUS
        x, y = MOON[0] + reach * np.cos(angle), MOON[1] + reach * np.sin(angle)
        size = rng.uniform(1.5, 7.5)
        size *= 0.35 + 0.65 * float(rng.uniform()) ** 2
        hollow = canvas.stencil().ellipse(x, y, size).blur(0.6)
        rim = (
            canvas.stencil()
            .ellipse(x, y, size + 0.6)
            .subtract(canvas.stencil().ellipse(x + 0.9, y + 0.9, size))
        )
        canvas.shade(hollow, "#b39c90", 0.22)
        canvas.light(rim.intersect(disc).blur(0.5), "#ffffff", 0.35)


def paint_clouds(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw long thin clouds over the lower sky and the moon's foot."""
    wisps = noise(canvas.shape, (16, 210), rng, 5)
    height = np.exp(-(((canvas.y - 452) / 62) ** 2))
    cover = smoothstep(0.15, 1.15, wisps) * height
    canvas.paint(cover.astype(np.float32), "#6a66a8", 0.75)
    lit = smoothstep(0.55, 1.3, wisps) * height
    glow = np.exp(-(((canvas.x - MOON[0]) / 190) ** 2))
    canvas.light((lit * glow).astype(np.float32), "#ffd9b8", 0.55)


def paint_mountains(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint three ranges, the far one pale, the near one sharp."""
    paint_range(
        canvas,
        [(-20, 500), (60, 520), (150, 486), (300, 560), (470, 540), (600, 470), (740, 520)],
        rough=15,
        seed=11,
        rock=("#8f88c4", "#6a69ae"),
        snow=("#d8cbe6", "#8f8ac6"),
        snow_line=540,
        foot=SHORE,
        haze=("#d3a6bb", 0.85),
    )
    paint_range(
        canvas,
        [
            (-20, 470),
            (40, 520),
            (110, 430),
            (168, 388),
            (214, 330),
            (250, 372),
            (300, 450),
            (352, 492),
            (400, 520),
            (470, 560),
            (560, 590),
            (760, 630),
        ],
        rough=13,
        seed=23,
        rock=("#6674b8", "#27336f"),
        snow=("#f6f2fb", "#7f8fd2"),
        snow_line=500,
        foot=SHORE,
        haze=("#8f86bd", 0.75),
    )
    paint_range(
        canvas,
        [
            (300, 690),
            (400, 610),
            (480, 572),
            (540, 520),
            (600, 448),
            (632, 468),
            (690, 400),
            (730, 430),
            (780, 380),
        ],
        rough=12,
        seed=35,
        rock=("#55609f", "#1d2760"),
        snow=("#ece6f6", "#6d7bc4"),
        snow_line=520,
        foot=SHORE,
        haze=("#6f6aa8", 0.70),
    )
    veil = noise(canvas.shape, (22, 170), rng, 4)
    height = np.exp(-(((canvas.y - SHORE + 22) / 26) ** 2))
    canvas.light((smoothstep(-0.6, 1.0, veil) * height).astype(np.float32), "#d8c2e6", 0.55)


def paint_far_shore(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint two belts of forest along the far shore, mist between them."""
    for foot, height, spread, colour in (
        (SHORE - 4, 30.0, 0.0, "#4b4d8e"),
        (SHORE, 46.0, 1.0, "#161e4e"),
    ):
        belt = canvas.stencil()
        x = -6.0
        while x < WIDTH + 10:
            edge = abs(x - 400) / 400
            tall = height * rng.uniform(0.55, 1.1) * (0.55 + 0.75 * edge**1.4 * (1 + spread))
            plant_pine(belt, x, foot + rng.uniform(-2, 2), tall, rng)
            x += rng.uniform(4.5, 10)
        belt.rectangle(0, foot - 5, WIDTH, SHORE + 3)
        canvas.paint(belt, colour)
        mist = np.exp(-(((canvas.y - SHORE) / 13) ** 2)) * (canvas.y < SHORE)
        canvas.light(mist.astype(np.float32), "#a89ad0", 0.34)


def paint_water(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mirror the scene in the lake, ruffle it, and lay the moon's path over it."""
    top = round(SHORE * SCALE)
    rows = canvas.shape[0] - top
    depth = ((np.arange(rows, dtype=np.float32) + 0.5) / SCALE)[:, None]
    near = depth / (HEIGHT - SHORE)
    size = (rows, canvas.shape[1])
    fine, broad = noise(size, (5, 70), rng, 3), noise(size, (14, 160), rng, 3)
    ripple = fine * (0.6 + 7 * near) + broad * (0.5 + 9 * near)
    source_y = np.clip(SHORE - depth / SQUEEZE - fine * 4 * near, 1, SHORE - 1)
    source_x = np.clip(canvas.x + ripple, 1, WIDTH - 1)
    mirrored = canvas.pixels[
        (source_y * SCALE).astype(np.int64), (source_x * SCALE).astype(np.int64)
    ]
    tint = gradient(near, [(0.0, "#c8bfd8"), (0.45, "#b0aed0"), (1.0, "#6f76b0")])
    path = np.exp(-(((canvas.x - MOON[0] + 8) / (26 + 92 * near)) ** 2))
    water: FloatArray = mirrored * mix(
        np.broadcast_to(tint, mirrored.shape), "#f6dcc0", path * 0.75
    )
    crests = smoothstep(0.55, 1.25, fine + 0.5 * broad) * (0.10 + 0.18 * near)
    water = mix(water, "#9fb0ea", crests * 0.7)
    hollows = smoothstep(0.5, 1.3, -fine + 0.4 * broad) * (0.15 + 0.3 * near)
    water = mix(water, "#0b1444", hollows)

    sparkle = smoothstep(0.15, 0.95, fine + 0.55 * broad) * path * (0.55 + 0.25 * near)
    water += (1 - water) * sparkle[..., None] * rgb("#ffe6b3")
    canvas.pixels[top:] = water
    shoreline = np.exp(-(((canvas.y - SHORE - 2) / 1.6) ** 2))
    canvas.light(shoreline.astype(np.float32), "#e8d8f0", 0.35)


def paint_near_shore(canvas: Canvas, rng: np.random.Generator) -> None:
    """Frame the lake with tall pines left and right, a dark bank and reeds."""
    back = canvas.stencil()
    for x, height in ((128.0, 270.0), (158.0, 200.0), (672.0, 300.0), (640.0, 210.0)):
        plant_pine(back, x, 960, height, rng)
    canvas.paint(back, "#111a4a")
    front = canvas.stencil()
    for x, foot, height in ((24.0, 1010.0, 610.0), (82.0, 1000.0, 430.0), (704.0, 1010.0, 500.0)):
        plant_pine(front, x, foot, height, rng)
    xs = np.linspace(0, WIDTH, 60)
    bank = 922 + 34 * np.exp(-(((xs - 380) / 190) ** 2)) + 3 * np.sin(xs / 17)
    front.polygon([*zip(xs.tolist(), bank.tolist(), strict=True), (WIDTH, HEIGHT), (0, HEIGHT)])
    for _ in range(150):
        x = rng.uniform(0, WIDTH)
        if 300 < x < 470 and rng.uniform() < 0.7:
            continue
        foot = float(np.interp(x, xs, bank)) + 4
        lean, tall = rng.uniform(-9, 9), rng.uniform(10, 44)
        front.stroke(
            [(x, foot), (x + lean * 0.3, foot - tall * 0.6), (x + lean, foot - tall)], 1.6, 0.5
        )
        if tall > 34:
            front.ellipse(x + lean * 0.85, foot - tall * 0.9, 1.9, 6)
    canvas.paint(front, gradient(canvas.y / HEIGHT, [(0.4, "#0c1440"), (1.0, "#050822")]))
    edge = canvas.stencil().stroke(list(zip(xs.tolist(), (bank + 1).tolist(), strict=True)), 1.2)
    canvas.light(edge.blur(0.6), "#7f8fe0", 0.35)


def paint_title(canvas: Canvas) -> None:
    """Set title and author; the title's three Os are moons."""
    small = canvas.stencil()
    lettering(small, "THE LAKE OF", WIDTH / 2, 106, 33, tracking=13)
    lettering(small, "A NOVEL", WIDTH / 2, 246, 15, tracking=9)
    lettering(small, "MIRA HALVORSEN", WIDTH / 2, 985, 30, tracking=10)
    for x0, x1 in ((72.0, 172.0), (548.0, 648.0)):
        small.rectangle(x0, 93.2, x1, 94.6)
    canvas.paint(small, MOONLIGHT)

    size, tracking, base = 86.0, 7.0, 200.0
    title = "TWO MOONS"
    letters, moons = canvas.stencil(), canvas.stencil()
    starts = lettering(canvas.stencil(), title, WIDTH / 2, base, size, tracking=tracking)
    seen = 0
    for character, x in zip(title, starts, strict=True):
        if character != "O":
            letters.letter(character, x, base, size, 1.0)
            continue
        middle = x + font(size).getlength("O") / SCALE / 2
        radius = size * 0.36
        moons.ellipse(middle, base - radius + 2, radius)
        if seen != 1:
            side = 1 if seen == 0 else -1
            bite = canvas.stencil().ellipse(middle - side * 20, base - radius - 4, radius * 0.93)
            moons.subtract(bite)
        seen += 1
    fill = gradient((canvas.y - 130) / 85, [(0.0, "#fffaf0"), (1.0, "#f3c79a")])
    halo = Stencil(WIDTH, HEIGHT)
    halo.mask.paste(letters.mask)
    canvas.light(halo.blur(9), "#8f8cff", 0.35)
    canvas.paint(letters, fill)
    canvas.paint(moons, fill)


def paint_binding(canvas: Canvas) -> None:
    """Add what makes it a book: the hinge beside the spine and a sheen over the cover."""
    hinge = np.exp(-(((canvas.x - 17) / 3.2) ** 2)) * 0.45
    canvas.shade(hinge.astype(np.float32), "#000010")
    ridge = np.exp(-(((canvas.x - 23) / 3.0) ** 2)) * 0.16
    canvas.light(ridge.astype(np.float32), "#ffffff")
    corner = ((canvas.x / WIDTH - 0.5) ** 2 + (canvas.y / HEIGHT - 0.5) ** 2) * 0.55
    canvas.shade(corner.astype(np.float32), "#000018")
