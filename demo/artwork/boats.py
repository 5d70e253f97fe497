"""The harbour poster's boats."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Point, curve, gradient, mix, smoothstep

INK = "#12364a"


def paint_steamer(canvas: Canvas) -> None:
    """Paint a small steamer on the horizon, smoke trailing."""
    x, y = 420.0, 524.0
    for k in range(16):
        t = k / 15
        puff = canvas.stencil().ellipse(
            x + 6 - 96 * t, y - 36 - 20 * t**0.7, 4 + 11 * t, 3.5 + 5 * t
        )
        canvas.paint(puff.blur(1.2), "#7d4a64", 0.5 * (1 - 0.75 * t))
    canvas.paint(
        canvas.stencil().polygon(
            [(x - 38, y - 8), (x + 44, y - 10), (x + 36, y + 3), (x - 32, y + 3)]
        ),
        "#3d2c4e",
    )
    canvas.paint(canvas.stencil().rectangle(x - 24, y - 16, x + 26, y - 8), "#fbe6c0")
    canvas.paint(canvas.stencil().rectangle(x - 14, y - 21, x + 16, y - 15), "#f0cfa4")
    funnels = canvas.stencil()
    for dx in (-6.0, 8.0):
        funnels.polygon(
            [(x + dx - 4, y - 20), (x + dx - 3, y - 34), (x + dx + 4, y - 34), (x + dx + 4, y - 20)]
        )
    canvas.paint(funnels, "#c4452f")


def paint_rowing_boat(canvas: Canvas, x: float, y: float, size: float, hull: str) -> None:
    """Paint a small painted fishing boat with its mast and reflection."""

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y + dy * size

    outline = curve([at(-50, -15), at(-40, 2), at(-20, 10), at(18, 10), at(42, 2), at(56, -19)], 6)
    inside = curve([at(56, -19), at(30, -10), at(0, -7), at(-28, -9), at(-50, -15)], 6)
    canvas.shade(canvas.stencil().ellipse(*at(2, 14), 54 * size, 9 * size).blur(3), "#0a3a50", 0.8)
    canvas.paint(canvas.stencil().polygon([*outline, *inside]), hull)
    low = canvas.stencil().polygon([*outline, *inside])
    canvas.shade(low.array() * smoothstep(y - 6 * size, y + 12 * size, canvas.y), "#5a3a6a", 0.75)
    deck = curve([at(-50, -15), at(-24, -17), at(10, -16), at(56, -19)], 6)
    canvas.paint(canvas.stencil().polygon([*deck, *inside]), "#6b3f3a")
    canvas.paint(canvas.stencil().stroke(inside, 2.6 * size), "#fff0cf")
    seats = canvas.stencil()
    for dx in (-24.0, 6.0, 30.0):
        seats.polygon([at(dx, -16), at(dx + 6, -16), at(dx + 7, -9), at(dx + 1, -9)])
    canvas.paint(seats, "#d9a06a")
    rig = canvas.stencil().stroke([at(-4, -12), at(-4, -62)], 2.0 * size)
    rig.stroke([at(-4, -60), at(54, -19)], 0.8 * size).stroke(
        [at(-4, -60), at(-49, -16)], 0.8 * size
    )
    canvas.paint(rig, "#5a3540")
    canvas.paint(canvas.stencil().stroke([at(-36, -24), at(34, -64)], 1.6 * size), "#5a3540")
    furled = curve([at(-32, -23), at(-14, -29), at(8, -44), at(30, -60)], 6)
    canvas.paint(canvas.stencil().stroke(furled, 6.5 * size, 3 * size), "#fbe3bb")
    ties = canvas.stencil()
    for dx, dy in ((-22.0, -27.0), (-8.0, -33.0), (5.0, -42.0), (17.0, -51.0)):
        ties.stroke([at(dx - 2, dy - 4), at(dx + 2, dy + 4)], 1.1 * size)
    canvas.paint(ties, "#c4452f")


def paint_yacht(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Paint the large sailing boat in the foreground, its sails full, and its reflection."""

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y + dy * size

    for dx, dy, rx, ry in ((10, 34, 118, 8), (4, 52, 88, 6), (14, 68, 60, 5), (2, 84, 70, 4)):
        canvas.paint(
            canvas.stencil().ellipse(*at(dx, dy), rx * size, ry * size).blur(1), "#0b3f57", 0.6
        )
    for dx, dy, rx, ry in ((-8, 62, 40, 4), (16, 92, 46, 4), (-4, 106, 28, 3)):
        canvas.paint(
            canvas.stencil().ellipse(*at(dx, dy), rx * size, ry * size).blur(1), "#fbe6c0", 0.55
        )

    main = [
        *curve([at(4, -292), at(52, -200), at(86, -100), at(92, -22)], 14),
        *curve([at(92, -22), at(46, -14), at(2, -20)], 10),
    ]
    jib = [
        *curve([at(-4, -270), at(-46, -160), at(-92, -70), at(-122, -18)], 14),
        *curve([at(-122, -18), at(-66, -26), at(-16, -20), at(-8, -130), at(-4, -270)], 14),
    ]
    for sail, light, dark in ((main, "#fff6df", "#e08f62"), (jib, "#ffe9bd", "#cf7355")):
        shape = canvas.stencil().polygon(sail)
        belly = np.clip((canvas.x - x) / (95 * size), -1, 1)
        tone = smoothstep(-0.25, 1.05, np.abs(belly) + 0.12 * (canvas.y - y) / (290 * size))
        canvas.paint(shape, mix(dark, light, tone))
        seams = canvas.stencil()
        for k in range(9):
            level = -262 + k * 30
            seams.stroke([at(-130, level + 22), at(0, level), at(120, level + 22)], 0.8)
        canvas.shade(seams.intersect(shape), "#a8604f", 0.55)
    band = canvas.stencil().polygon([at(-20, -150), at(140, -118), at(140, -92), at(-20, -124)])
    canvas.paint(band.intersect(canvas.stencil().polygon(main)), "#c4452f", 0.92)
    emblem = canvas.stencil().ellipse(*at(34, -76), 13 * size)
    canvas.paint(emblem, INK, 0.9)
    canvas.paint(canvas.stencil().ellipse(*at(40, -79), 11 * size), "#f6cfa0")

    mast = canvas.stencil().stroke([at(0, 0), at(0, -304)], 3.6, 2.2)
    mast.stroke([at(0, -18), at(96, -20)], 3).stroke([at(0, -280), at(-126, -14)], 0.9)
    mast.stroke([at(0, -300), at(112, -10)], 0.7)
    canvas.paint(mast, "#5a3540")
    canvas.paint(canvas.stencil().polygon([at(0, -304), at(-30, -297), at(0, -290)]), "#c4452f")

    hull = [
        *curve([at(-138, -18), at(-96, -2), at(0, 4), at(78, 0), at(124, -14)], 10),
        *curve([at(124, -14), at(108, 18), at(86, 30)], 8),
        *curve([at(86, 30), at(0, 36), at(-70, 32), at(-112, 10), at(-138, -18)], 10),
    ]
    body = canvas.stencil().polygon(hull)
    canvas.paint(
        body,
        gradient((canvas.y - y) / (36 * size), [(-0.5, "#2d7a8a"), (0.2, INK), (1.0, "#0a2236")]),
    )
    trim = canvas.stencil().stroke(
        curve([at(-138, -18), at(-96, -2), at(0, 4), at(78, 0), at(124, -14)], 10), 3.4
    )
    canvas.paint(trim, "#fbe6c0")
    water_line = canvas.stencil().rectangle(0, y + 24 * size, canvas.width, y + 30 * size)
    canvas.paint(water_line.intersect(body), "#c4452f")
    cabin = canvas.stencil().polygon([at(14, 2), at(20, -13), at(70, -13), at(76, 1)])
    canvas.paint(cabin, "#e9b27c")
    ports = canvas.stencil()
    for port in (29.0, 43.0, 57.0):
        ports.ellipse(*at(port, -6), 3.4 * size)
    canvas.paint(ports, INK)
    foam = canvas.stencil().polygon(
        [
            *curve([at(-124, 24), at(-92, 28), at(0, 34), at(92, 28), at(132, 32)], 8),
            *curve([at(132, 32), at(60, 41), at(-60, 40), at(-124, 24)], 8),
        ]
    )
    canvas.paint(foam, "#fff3d6", 0.9)
