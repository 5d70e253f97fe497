"""Picture 4: a travel poster, a harbour town in the evening sun."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .boats import paint_steamer, paint_yacht
from .canvas import Canvas, Point, curve, gradient, lettering, mix, noise, smoothstep
from .flowers import paint_leaf
from .town import paint_quay, paint_town

WIDTH, HEIGHT = 760, 1060
PAPER = "#f7ead0"
INK = "#12364a"
LEFT, TOP, RIGHT, BOTTOM = 34.0, 34.0, 726.0, 888.0  # the picture inside the paper border
HORIZON = 520.0
LEAVES = [("#2f6b4a", "#1c4a42"), ("#3f7c4b", "#265a46"), ("#4d8a4c", "#2f6b4a")]
SUN: Point = (486.0, 438.0)


def draw() -> Image.Image:
    """Draw the poster."""
    rng = np.random.default_rng(4)
    canvas = Canvas(WIDTH, HEIGHT)
    paint_sky(canvas, rng)
    paint_far_hills(canvas, rng)
    paint_sea(canvas, rng)
    paint_steamer(canvas)
    paint_mole(canvas, rng)
    paint_town(canvas, rng)
    paint_quay(canvas, rng)
    paint_yacht(canvas, 500.0, 764.0, 1.0)
    paint_gulls(canvas)
    paint_lemons(canvas, rng)
    paint_grain(canvas, rng)
    paint_paper(canvas)
    paint_title(canvas)
    return canvas.image()


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the evening sky, the sun, its rays and streamlined clouds."""
    dx, dy = canvas.x - SUN[0], canvas.y - SUN[1]
    distance = np.sqrt(dx * dx + dy * dy)
    sky = gradient(
        distance / 620,
        [
            (0.0, "#fff0b8"),
            (0.16, "#fdd37c"),
            (0.42, "#f79a5b"),
            (0.75, "#e5604f"),
            (1.0, "#b63e55"),
        ],
    )
    canvas.pixels[:] = sky
    turn = np.arctan2(dy, dx) / (2 * np.pi) * 22
    edge = np.abs((turn % 1) - 0.5) * distance / 620 * 60
    beam = ((turn % 1) < 0.5).astype(np.float32) * np.clip(edge * 14, 0, 1)
    fade = smoothstep(40, 150, distance) * (1 - 0.45 * smoothstep(250, 700, distance))
    canvas.light((beam * fade).astype(np.float32), "#ffe9a8", 0.42)
    canvas.light(np.exp(-np.maximum(distance - 66, 0) / 42), "#fff2c0", 0.75)
    canvas.paint(canvas.stencil().ellipse(*SUN, 68), "#fff8dc")
    for x, y, size in ((610.0, 300.0, 1.0), (330.0, 226.0, 0.8), (640.0, 196.0, 0.62)):
        paint_cloud(canvas, x, y, size, rng)


def paint_cloud(canvas: Canvas, x: float, y: float, size: float, rng: np.random.Generator) -> None:
    """Paint one streamlined cloud: round tops on flat, long-drawn bases."""
    body = canvas.stencil()
    for dx, dy, radius in (
        (-62, -8, 20),
        (-30, -22, 30),
        (10, -30, 38),
        (48, -14, 26),
        (78, -6, 15),
    ):
        body.ellipse(x + dx * size, y + dy * size, radius * size)
    for k in range(4):
        length, shift = rng.uniform(90, 150) * size, rng.uniform(-30, 30) * size
        low = y + 5 * size * k
        body.rounded(
            x - length + shift, low - 5 * size, x + length + shift, low + 2 * size, 4 * size
        )
    body.subtract(canvas.stencil().rectangle(0, y + 18 * size, WIDTH, HEIGHT))
    tone = gradient((canvas.y - y) / (70 * size) + 0.8, [(0.0, "#fff1d0"), (1.0, "#f6a87c")])
    canvas.paint(body, tone, 0.92)


def paint_far_hills(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the headlands on the horizon."""
    xs = np.linspace(0, WIDTH, 200)
    for base, tall, colour in ((0.0, 66.0, "#cf7f83"), (2.1, 40.0, "#9c6180")):
        swell = np.sin(xs / 90 + base) * 0.5 + np.sin(xs / 37 + 2 * base) * 0.22 + 0.55
        away = smoothstep(40, 240, np.abs(xs - SUN[0]).astype(np.float32))
        crest = HORIZON + 4 - tall * np.clip(swell, 0.05, 2) * (0.12 + away)
        jitter = rng.uniform(-1, 1, xs.size)
        ridge = list(zip(xs.tolist(), (crest + jitter).tolist(), strict=True))
        land = canvas.stencil().polygon([*ridge, (WIDTH, HORIZON + 4), (0, HORIZON + 4)])
        haze = smoothstep(HORIZON - 50, HORIZON, canvas.y) * 0.45
        canvas.paint(land, mix(colour, "#ffc98c", np.broadcast_to(haze, canvas.shape)))


def paint_sea(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the water in a few flat tones, as a lithograph would, with the sun's path on it."""
    depth = np.clip((canvas.y - HORIZON) / (BOTTOM - HORIZON), 0, 1)
    texture = noise((900, 3600), (20, 110), rng, 4)
    rows = (np.sqrt(depth) * 880).astype(np.int64)
    columns = (1800 + (canvas.x - SUN[0]) * 2.6 / (0.22 + depth)).astype(np.int64) % 3600
    waves = texture[np.broadcast_to(rows, canvas.shape), columns]
    deep = gradient(depth, [(0.0, "#6fb7ac"), (0.25, "#2d8f96"), (1.0, "#0d4f68")])
    pale = gradient(depth, [(0.0, "#c9d8b0"), (0.3, "#62b8b0"), (1.0, "#2a8597")])
    dark = gradient(depth, [(0.0, "#4d9ba0"), (0.3, "#1c6f80"), (1.0, "#083a55")])
    water = np.broadcast_to(deep, canvas.pixels.shape)
    water = mix(water, pale, smoothstep(0.40, 0.43, waves))
    water = mix(water, dark, smoothstep(0.42, 0.45, -waves))
    reach = np.abs(canvas.x - SUN[0]) / (34 + 120 * depth)
    gold = smoothstep(-0.03, 0.01, waves - 0.80 * reach + 0.50)
    water = mix(water, "#fbb765", gold * 0.95)
    water = mix(water, "#fff0b4", smoothstep(-0.02, 0.02, waves - 1.20 * reach + 0.30))
    canvas.paint((canvas.y > HORIZON).astype(np.float32), water)


def paint_mole(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the mole on the right and the lighthouse on it."""
    stones = [
        (590.0, 566.0),
        (602.0, 548.0),
        (640.0, 541.0),
        (700.0, 538.0),
        (740.0, 536.0),
        (740.0, 584.0),
        (668.0, 580.0),
        (612.0, 576.0),
    ]
    canvas.paint(canvas.stencil().polygon(stones), "#6d4a5c")
    blocks = canvas.stencil()
    for _ in range(70):
        x, y = rng.uniform(598, 735), rng.uniform(546, 580)
        blocks.polygon(
            [
                (x - rng.uniform(3, 8), y),
                (x - 2, y - rng.uniform(3, 6)),
                (x + rng.uniform(4, 8), y - 2),
                (x + 3, y + 3),
            ]
        )
    blocks.intersect(canvas.stencil().polygon(stones))
    canvas.paint(blocks, "#a87474", 0.8)
    paint_lighthouse(canvas, 656.0, 544.0)


def paint_lighthouse(canvas: Canvas, x: float, foot: float) -> None:
    """Paint the lighthouse: a striped, rounded tower, gallery, lantern and cap."""
    top = foot - 176
    tower = canvas.stencil().polygon([(x - 23, foot), (x - 14, top), (x + 14, top), (x + 23, foot)])
    canvas.paint(tower, "#fbf0da")
    stripes = canvas.stencil()
    for k in range(3):
        y = top + 22 + k * 54
        band = curve([(x - 30, y), (x, y + 5), (x + 30, y)], 8)
        low = curve([(x + 30, y + 27), (x, y + 32), (x - 30, y + 27)], 8)
        stripes.polygon([*band, *low])
    canvas.paint(stripes.intersect(tower), "#c93f33")
    around = np.clip((canvas.x - x) / 23, -1, 1)
    shadow = smoothstep(-0.35, 1.0, around) * 0.85
    canvas.shade(tower.array() * shadow, "#6a4a78")
    doors = canvas.stencil().rounded(x - 6, foot - 20, x + 5, foot, 5)
    doors.rounded(x - 4, foot - 96, x + 3, foot - 84, 3).rounded(
        x - 3, foot - 150, x + 3, foot - 140, 3
    )
    canvas.paint(doors, "#4a2f4c")
    canvas.paint(canvas.stencil().rectangle(x - 20, top - 5, x + 20, top + 2), INK)
    rail = canvas.stencil()
    for k in range(9):
        rail.rectangle(x - 19 + k * 4.6, top - 15, x - 18 + k * 4.6, top - 4)
    rail.rectangle(x - 19, top - 16, x + 19.5, top - 14.6)
    canvas.paint(rail, INK)
    canvas.light(canvas.stencil().ellipse(x, top - 16, 26).blur(12), "#fff0a8", 0.9)
    canvas.paint(canvas.stencil().rectangle(x - 9, top - 27, x + 9, top - 4), "#fff3b0")
    frame = canvas.stencil()
    for dx in (-9.0, -3.0, 3.0, 8.0):
        frame.rectangle(x + dx, top - 27, x + dx + 1.2, top - 4)
    canvas.paint(frame, INK)
    cap = curve(
        [
            (x - 12, top - 26),
            (x - 8, top - 35),
            (x, top - 40),
            (x + 8, top - 35),
            (x + 12, top - 26),
        ],
        6,
    )
    canvas.paint(canvas.stencil().polygon(cap).ellipse(x, top - 42, 2.6), "#a3322c")
    canvas.paint(
        canvas.stencil().polygon(
            [
                (x - 60, foot + 4),
                (x - 60, foot - 22),
                (x - 42, foot - 34),
                (x - 24, foot - 22),
                (x - 24, foot + 2),
            ]
        ),
        "#e9c39a",
    )
    canvas.paint(
        canvas.stencil().polygon([(x - 64, foot - 20), (x - 42, foot - 37), (x - 20, foot - 20)]),
        "#b5482f",
    )
    canvas.paint(canvas.stencil().rectangle(x - 46, foot - 14, x - 38, foot + 3), "#5a3a4e")


def paint_gulls(canvas: Canvas) -> None:
    """Paint gulls in the sky."""
    flock = ((300.0, 330.0, 17.0), (352.0, 300.0, 12.0), (398.0, 344.0, 9.0), (566.0, 356.0, 11.0))
    for x, y, size in flock:
        bird = canvas.stencil().ellipse(x, y, size * 0.2, size * 0.11)
        for side in (-1, 1):
            wing = [
                (x, y),
                (x + side * size * 0.42, y - size * 0.42),
                (x + side * size, y - size * 0.22),
            ]
            bird.stroke(curve(wing, 10), size * 0.17, 0.6)
        canvas.paint(bird.rotate(8 if size > 11 else -6, x, y), "#5a2f4a")


def paint_lemons(canvas: Canvas, rng: np.random.Generator) -> None:
    """Hang a lemon branch into the picture's upper left corner."""

    def green() -> tuple[str, str]:
        return LEAVES[rng.integers(len(LEAVES))]

    twigs = [
        curve([(20, 70), (110, 96), (210, 92), (292, 128)], 10),
        curve([(60, 84), (118, 108), (150, 138)], 10),
        curve([(160, 94), (232, 60), (300, 62)], 10),
    ]
    branch = canvas.stencil()
    for twig in twigs:
        branch.stroke(twig, 6, 2.2)
    canvas.paint(branch, "#4e3536")
    for twig in twigs:
        for point in twig[3::3]:
            for side in (-1, 1):
                angle = rng.uniform(0.35, 1.25) * side + rng.uniform(-0.2, 0.5)
                paint_leaf(canvas, point, angle, rng.uniform(30, 46), 0.24, green())
    for x, y, size in (
        (146.0, 160.0, 23.0),
        (212.0, 128.0, 23.0),
        (66.0, 136.0, 23.0),
        (288.0, 158.0, 20.0),
    ):
        paint_lemon(canvas, x, y, size)
    for x, y in ((128.0, 132.0), (196.0, 100.0), (268.0, 132.0), (60.0, 104.0)):
        paint_leaf(canvas, (x, y), 1.0, 36, 0.24, green())


def paint_lemon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Paint one lemon, lit from the sun's side."""
    body = (
        canvas.stencil()
        .ellipse(x, y, size * 0.80, size)
        .ellipse(x, y + size * 0.95, size * 0.24, size * 0.26)
    )
    reach = np.sqrt((canvas.x - x - size * 0.28) ** 2 + (canvas.y - y + size * 0.15) ** 2) / size
    canvas.paint(
        body,
        gradient(reach, [(0.0, "#fff6a8"), (0.35, "#fddc4a"), (0.9, "#eda023"), (1.25, "#b86a24")]),
    )
    canvas.light(
        canvas.stencil()
        .ellipse(x + size * 0.28, y - size * 0.34, size * 0.16, size * 0.26)
        .blur(2),
        "#ffffff",
        0.8,
    )


def paint_grain(canvas: Canvas, rng: np.random.Generator) -> None:
    """Give the print the faint grain of a lithograph."""
    grain = noise(canvas.shape, (1.6, 1.6), rng, 2)
    canvas.pixels *= (1 + 0.022 * grain)[..., None]


def paint_paper(canvas: Canvas) -> None:
    """Paint the paper border around the picture and a fine line inside it."""
    border = canvas.stencil().rectangle(0, 0, WIDTH, HEIGHT)
    border.rectangle(LEFT, TOP, RIGHT, BOTTOM, fill=0)
    canvas.paint(border, PAPER)
    frame = canvas.stencil().rectangle(LEFT - 6, TOP - 6, RIGHT + 6, BOTTOM + 6)
    frame.rectangle(LEFT - 3.5, TOP - 3.5, RIGHT + 3.5, BOTTOM + 3.5, fill=0)
    canvas.paint(frame, INK)


def paint_title(canvas: Canvas) -> None:
    """Set the poster's name in bold inlined letters, and what it promises."""
    base = 982.0
    bold, small = canvas.stencil(), canvas.stencil()
    lettering(bold, "PORT AURELIA", WIDTH / 2, base, 76, tracking=11, weight=4.2)
    canvas.paint(bold, gradient((canvas.y - base) / 60, [(-1.0, "#c9452f"), (0.0, "#8f2b3d")]))
    lettering(small, "WHERE THE SUN GOES HOME", WIDTH / 2, 1027, 22, tracking=7.4, weight=0.3)
    for x0, x1 in ((LEFT, 96.0), (WIDTH - 96.0, RIGHT)):
        small.rectangle(x0, 1018, x1, 1020.4)
    canvas.paint(small, INK)
