"""The harbour poster's town: houses in terraces, church, cypresses, quay."""

from __future__ import annotations

import numpy as np

from .boats import paint_rowing_boat
from .canvas import Canvas, curve, gradient, mix, noise, smoothstep

INK = "#12364a"
WALLS = ["#f3c9a0", "#eeb38a", "#f6dcb4", "#e79c80", "#f1c0a8", "#e8cfae", "#d98f7c", "#f4d59a"]
ROOFS = ["#c4553b", "#b5482f", "#cf6a45", "#a8422f"]
SHUTTERS = ["#2f6f73", "#3d7f6a", "#31597d", "#7c3f4a"]


def _hill(x: float) -> float:
    """Return the height of the town's hill at `x`."""
    return float(
        np.interp(x, [0, 60, 130, 200, 290, 380, 440], [318, 330, 356, 402, 486, 566, 606])
    )


def paint_town(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the hill, the church on top, and houses in terraces down to the quay."""
    slope = [(float(x), _hill(x) - 6) for x in range(0, 450, 10)]
    hill = canvas.stencil().polygon([*slope, (452, 640), (0, 640)])
    mottled = noise(canvas.shape, (24, 24), rng, 4)
    canvas.paint(hill, mix("#6d7f4c", "#4a5f47", smoothstep(-0.3, 0.6, mottled)))
    paint_church(canvas, 92.0, 364.0)
    for base in np.linspace(0.0, 1.0, 7):
        x = 22.0 + rng.uniform(-14, 6)
        while x < 436:
            top = _hill(x + 16)
            foot = top + 42 + (622 - top - 42) * float(base)
            wide = rng.uniform(30, 44) * (0.82 + 0.32 * float(base))
            tall = rng.uniform(36, 58) * (0.82 + 0.36 * float(base))
            tall = min(tall, foot - top + 14)
            if foot - top > 30 and x + wide < 448 and rng.uniform() < 0.93:
                if rng.uniform() < 0.22:
                    paint_cypress(canvas, x - 3, foot - 4, rng.uniform(44, 70))
                paint_house(canvas, x, foot + rng.uniform(-5, 5), wide, tall, rng)
            x += wide * rng.uniform(0.92, 1.18)
    for x, y, tall in ((178.0, 424.0, 74.0), (196.0, 436.0, 60.0), (338.0, 548.0, 58.0)):
        paint_cypress(canvas, x, y, tall)


def paint_house(
    canvas: Canvas, x: float, foot: float, wide: float, tall: float, rng: np.random.Generator
) -> None:
    """Paint one house: a shaded front, a sunlit side, a tiled roof, shuttered windows."""
    wall = WALLS[rng.integers(len(WALLS))]
    roof = ROOFS[rng.integers(len(ROOFS))]
    shutter = SHUTTERS[rng.integers(len(SHUTTERS))]
    side, eaves = wide * 0.30, foot - tall
    rise = wide * 0.30
    front = canvas.stencil().rectangle(x, eaves, x + wide, foot + 6)
    fall = smoothstep(0, tall, canvas.y - eaves)
    canvas.paint(front, mix(mix(wall, "#9a5f7c", 0.26), mix(wall, "#7d4a74", 0.52), fall))
    flank = canvas.stencil().polygon(
        [
            (x + wide, eaves),
            (x + wide + side / 2, eaves - rise),
            (x + wide + side, eaves - 1),
            (x + wide + side, foot + 4),
            (x + wide, foot + 6),
        ]
    )
    canvas.paint(flank, mix(wall, "#fff0c0", 0.50))
    tiles = canvas.stencil().polygon(
        [
            (x - 3, eaves + 2),
            (x + side / 2 - 2, eaves - rise - 2),
            (x + wide + side / 2 + 1, eaves - rise - 2),
            (x + wide + 2, eaves + 2),
        ]
    )
    canvas.paint(tiles, roof)
    ridges = canvas.stencil()
    for k in range(int(wide / 3.6) + 1):
        start = x - 3 + k * 3.6
        ridges.stroke([(start, eaves + 2), (start + side / 2 + 1, eaves - rise - 2)], 0.9)
    canvas.shade(ridges.intersect(tiles), "#7a2f38", 0.55)
    ledge = canvas.stencil().stroke(
        [
            (x + wide + 1, eaves + 1),
            (x + wide + side / 2, eaves - rise),
            (x + wide + side + 2, eaves + 1),
        ],
        1.9,
    )
    canvas.paint(ledge, mix(roof, "#ffc07a", 0.55))

    panes, leaves, lit = canvas.stencil(), canvas.stencil(), canvas.stencil()
    columns, rows = max(2, int(wide // 13)), max(1, int(tall // 17))
    for row in range(rows):
        for column in range(columns):
            wx = x + wide * (column + 0.5) / columns
            wy = eaves + 8 + row * 16.5
            glass = lit if rng.uniform() < 0.16 else panes
            glass.rectangle(wx - 2.3, wy, wx + 2.3, wy + 8)
            if rng.uniform() < 0.75:
                leaves.rectangle(wx - 5, wy - 0.5, wx - 2.5, wy + 8.5)
                leaves.rectangle(wx + 2.5, wy - 0.5, wx + 5, wy + 8.5)
    for row in range(rows):
        wx, wy = x + wide + side / 2, eaves + 8 + row * 16.5
        panes.polygon(
            [(wx - 1.8, wy), (wx + 1.8, wy - 0.5), (wx + 1.8, wy + 7), (wx - 1.8, wy + 7.6)]
        )
    canvas.paint(panes, "#3f2a4a")
    canvas.paint(leaves, shutter)
    canvas.paint(lit, "#ffd36b")
    if rng.uniform() < 0.35:
        cx = x + wide * rng.uniform(0.3, 0.7)
        canvas.paint(
            canvas.stencil().rectangle(cx, eaves - rise - 9, cx + 5, eaves - rise + 3), "#a8604f"
        )


def paint_church(canvas: Canvas, x: float, foot: float) -> None:
    """Paint the church: nave, ribbed dome with a lantern, and a bell tower."""
    stone, shade, glow = "#e9bf98", "#b07a80", "#ffe6b0"
    canvas.paint(canvas.stencil().rectangle(x - 46, foot - 62, x + 46, foot + 60), stone)
    canvas.paint(canvas.stencil().rectangle(x - 46, foot - 62, x + 18, foot + 60), shade, 0.6)
    canvas.paint(canvas.stencil().rectangle(x - 50, foot - 66, x + 50, foot - 60), "#f3d3aa")
    canvas.paint(canvas.stencil().rectangle(x - 33, foot - 88, x + 33, foot - 64), stone)
    canvas.paint(canvas.stencil().rectangle(x - 33, foot - 88, x + 10, foot - 64), shade, 0.55)
    dome = (
        canvas.stencil()
        .ellipse(x, foot - 88, 35, 44)
        .subtract(canvas.stencil().rectangle(0, foot - 88, canvas.width, canvas.height))
    )
    around = np.clip((canvas.x - x) / 35, -1, 1)
    canvas.paint(
        dome,
        gradient(
            around, [(-1.0, "#2f5f6c"), (0.35, "#4f9a94"), (0.8, "#c3dfae"), (1.0, "#f4e6b0")]
        ),
    )
    ribs = canvas.stencil()
    for reach in (-0.8, -0.42, 0.0, 0.42, 0.8):
        ribs.stroke(
            [
                (x + 35 * reach * np.cos(t), foot - 88 - 44 * np.sin(t))
                for t in np.linspace(0, np.pi / 2, 14)
            ],
            1.1,
        )
    canvas.paint(ribs.intersect(dome), "#27505f", 0.7)
    canvas.paint(canvas.stencil().rectangle(x - 5, foot - 148, x + 5, foot - 130), glow)
    canvas.paint(canvas.stencil().ellipse(x, foot - 148, 6, 8), "#3d7f86")
    cross = canvas.stencil().rectangle(x - 0.8, foot - 172, x + 0.8, foot - 154)
    canvas.paint(cross.rectangle(x - 4, foot - 167, x + 4, foot - 165.4), INK)
    arches = canvas.stencil()
    for dx in (-30.0, -10.0, 10.0, 30.0):
        arches.rounded(x + dx - 4.5, foot - 48, x + dx + 4.5, foot - 22, 4.5)
    for dx in (-22.0, -7.0, 8.0, 23.0):
        arches.rounded(x + dx - 2.5, foot - 84, x + dx + 2.5, foot - 70, 2.5)
    canvas.paint(arches, "#4a2f4c")

    left, right, top = x + 56, x + 80, foot - 136
    canvas.paint(canvas.stencil().rectangle(left, top, right, foot + 60), mix(stone, shade, 0.55))
    canvas.paint(canvas.stencil().rectangle(right - 7, top, right, foot + 60), glow)
    canvas.paint(canvas.stencil().rectangle(left - 3, top - 4, right + 3, top + 1), "#f3d3aa")
    canvas.paint(canvas.stencil().rectangle(left - 2, top + 36, right + 2, top + 40), "#f3d3aa")
    canvas.paint(
        canvas.stencil().polygon(
            [(left - 2, top - 3), ((left + right) / 2, top - 44), (right + 2, top - 3)]
        ),
        "#b5482f",
    )
    canvas.paint(
        canvas.stencil().polygon(
            [((left + right) / 2, top - 44), (right - 7, top - 3), (right + 2, top - 3)]
        ),
        "#f0a566",
    )
    bells = canvas.stencil().rounded(left + 3, top + 9, left + 8, top + 31, 2.5)
    canvas.paint(bells.rounded(left + 10, top + 9, left + 15, top + 31, 2.5), "#4a2f4c")


def paint_cypress(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    """Paint a cypress, its sunward side lighter."""
    half = tall * 0.115
    shape = curve(
        [
            (x, foot - tall),
            (x + half * 0.7, foot - tall * 0.62),
            (x + half, foot - tall * 0.25),
            (x + half * 0.5, foot),
            (x - half * 0.5, foot),
            (x - half, foot - tall * 0.25),
            (x - half * 0.7, foot - tall * 0.62),
            (x, foot - tall),
        ],
        6,
    )
    tree = canvas.stencil().polygon(shape)
    canvas.paint(tree, "#24483f")
    sunny = canvas.stencil().polygon([(px + half * 0.75, py) for px, py in shape]).intersect(tree)
    canvas.paint(sunny.blur(0.6), "#6f8a4a", 0.8)


def paint_quay(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the quay wall with its arches, steps, bollards and moored boats."""
    wall = [(0.0, 616.0), (462.0, 622.0), (478.0, 630.0), (470.0, 664.0), (0.0, 690.0)]
    canvas.paint(canvas.stencil().polygon(wall), "#b98577")
    canvas.paint(
        canvas.stencil().polygon([(0, 612), (456, 618), (480, 630), (462, 633), (0, 632)]),
        "#f2cf9f",
    )
    courses = canvas.stencil()
    for k in range(5):
        courses.stroke([(0, 642 + k * 10), (474, 639 + k * 5.4)], 0.8)
    for _ in range(110):
        x = rng.uniform(0, 470)
        y = 636 + rng.uniform(0, 1) * float(np.interp(x, [0, 470], [50, 26]))
        courses.rectangle(x, y, x + 0.9, y + 8)
    canvas.shade(courses.intersect(canvas.stencil().polygon(wall)), "#7a4a58", 0.7)
    arches = canvas.stencil()
    for x in (70.0, 160.0, 250.0, 340.0):
        arches.ellipse(x, 668, 24, 20)
    arches.intersect(canvas.stencil().polygon(wall))
    canvas.paint(arches, "#4a2f4c")
    reflection = canvas.stencil().polygon([(0, 690), (470, 664), (440, 690), (300, 716), (0, 742)])
    canvas.shade(reflection.blur(5), "#2a5a70", 0.75)
    for x, y, size, hull in (
        (112.0, 716.0, 1.0, "#c4452f"),
        (238.0, 700.0, 0.86, "#f3e3c0"),
        (346.0, 690.0, 0.72, "#2d6f9a"),
        (196.0, 792.0, 1.45, "#e8a33a"),
    ):
        paint_rowing_boat(canvas, x, y, size, hull)
