"""Picture 5: a shop's product card, a painted teapot on white."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .canvas import (
    Canvas,
    FloatArray,
    curve,
    gradient,
    mix,
    noise,
    smoothstep,
)
from .flowers import paint_daisy, paint_leaf, paint_poppy
from .labels import paint_caption, paint_price_tag
from .pottery import paint_tube, paint_turned

WIDTH, HEIGHT = 820, 880
GLAZE = [(0.0, "#0c3b3d"), (0.35, "#14605c"), (0.7, "#2f8f80"), (1.0, "#7fc7ae")]
FLOOR = 640.0  # where the teapot stands


def draw() -> Image.Image:
    """Draw the card."""
    rng = np.random.default_rng(5)
    canvas = Canvas(WIDTH, HEIGHT)
    paint_backdrop(canvas, rng)
    paint_branches(canvas, rng)
    paint_shadows(canvas)
    paint_teapot(canvas, rng)
    paint_cup(canvas, rng)
    paint_sprig(canvas, rng)
    paint_price_tag(canvas)
    paint_caption(canvas)
    return canvas.image()


def paint_backdrop(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a washed watercolour disc on white, so that the white card is not empty."""
    dx, dy = canvas.x - 392, canvas.y - 352
    wash = noise(canvas.shape, (120, 120), rng, 5)
    reach = np.sqrt(dx * dx + dy * dy) + wash * 9
    disc = 1 - smoothstep(292, 298, reach)
    rim = disc * smoothstep(268, 296, reach)
    tone = mix("#fbe3d2", "#f4c9b4", smoothstep(-0.8, 0.9, wash + dy / 420))
    canvas.paint(disc, tone, 0.85)
    canvas.shade(rim, "#f0b79c", 0.35)
    drops = canvas.stencil()
    for _ in range(26):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(306, 350)
        drops.ellipse(392 + far * np.cos(angle), 352 + far * np.sin(angle), rng.uniform(1, 4.5))
    drops.rectangle(0, 660, WIDTH, HEIGHT, fill=0)
    canvas.paint(drops, "#f4c9b4", 0.8)


def paint_branches(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint leafy branches and flowers that reach out behind the teapot."""
    greens = [
        ("#4f8a5b", "#3b7350"),
        ("#7fa65a", "#648f50"),
        ("#5f9c86", "#468271"),
        ("#a3b86a", "#869f58"),
    ]
    stems = [
        [(250.0, 520.0), (130.0, 420.0), (78.0, 280.0), (92.0, 150.0)],
        [(270.0, 480.0), (190.0, 330.0), (180.0, 200.0), (232.0, 92.0)],
        [(520.0, 500.0), (620.0, 360.0), (640.0, 220.0), (600.0, 96.0)],
        [(560.0, 520.0), (700.0, 420.0), (742.0, 300.0), (728.0, 214.0)],
        [(400.0, 420.0), (392.0, 250.0), (420.0, 130.0), (404.0, 62.0)],
    ]
    for stem, tones in zip(stems, [*greens, greens[0]], strict=True):
        line = curve(stem, 14)
        canvas.paint(canvas.stencil().stroke(line, 3.2, 1.4), tones[1])
        for k in range(8, len(line) - 1, 4):
            (x0, y0), (x1, y1) = line[k], line[k + 1]
            heading = float(np.arctan2(y1 - y0, x1 - x0))
            side = 1 if (k // 4) % 2 else -1
            length = rng.uniform(50, 68) * (1.05 - 0.45 * k / len(line))
            paint_leaf(
                canvas, (x0, y0), heading + side * rng.uniform(0.6, 0.9), length, 0.24, tones
            )
        heading = float(np.arctan2(line[-1][1] - line[-2][1], line[-1][0] - line[-2][0]))
        paint_leaf(canvas, line[-1], heading, 40, 0.22, tones)
    twigs = canvas.stencil()
    for twig in (
        [(252.0, 180.0), (232.0, 226.0), (182.0, 262.0)],
        [(480.0, 130.0), (462.0, 182.0), (408.0, 236.0)],
        [(704.0, 380.0), (676.0, 400.0), (664.0, 444.0)],
        [(132.0, 196.0), (124.0, 246.0), (86.0, 300.0)],
        [(146.0, 214.0), (124.0, 246.0), (122.0, 218.0)],
        [(676.0, 262.0), (688.0, 302.0), (736.0, 330.0)],
        [(692.0, 246.0), (688.0, 302.0), (700.0, 268.0)],
    ):
        twigs.stroke(curve(twig, 10), 1.8)
    canvas.paint(twigs, "#5f8a50")
    berries = canvas.stencil()
    for x, y in (
        (132.0, 196.0),
        (146.0, 214.0),
        (122.0, 218.0),
        (676.0, 262.0),
        (692.0, 246.0),
        (700.0, 268.0),
    ):
        berries.ellipse(x, y, 8)
    canvas.paint(berries, "#d8433a")
    canvas.light(
        canvas.stencil().ellipse(130, 193, 2.4).ellipse(674, 259, 2.4).ellipse(698, 265, 2.4),
        "#ffffff",
        0.7,
    )
    for x, y, size in ((164.0, 318.0, 50.0), (626.0, 188.0, 44.0)):
        paint_poppy(canvas, x, y, size, rng)
    for x, y, size in (
        (250.0, 178.0, 32.0),
        (106.0, 402.0, 28.0),
        (480.0, 128.0, 30.0),
        (704.0, 378.0, 30.0),
    ):
        paint_daisy(canvas, x, y, size)


def glaze(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cover a pattern's ground with glaze that pools darker towards the foot."""
    clouds = noise(canvas.shape, (60, 60), rng, 5)
    position = 0.62 - 0.34 * canvas.y / canvas.height + 0.07 * clouds
    canvas.pixels[:] = gradient(np.asarray(position, dtype=np.float32), GLAZE)


def body_pattern(rng: np.random.Generator) -> FloatArray:
    """Return what is painted on the teapot: a band of meadow flowers between cream lines."""
    pattern = Canvas(560, 330)
    glaze(pattern, rng)
    lines = pattern.stencil()
    for y in (22.0, 28.0, 296.0):
        lines.rectangle(0, y, 560, y + (2.6 if y != 28.0 else 1.2))
    for k in range(40):
        lines.ellipse(7 + 14 * k, 40, 2.2)
    pattern.paint(lines, "#f4e3bd", 0.9)
    stems = pattern.stencil()
    flowers = (
        (70.0, 150.0, 30.0),
        (160.0, 110.0, 24.0),
        (238.0, 168.0, 42.0),
        (330.0, 112.0, 30.0),
        (398.0, 186.0, 36.0),
        (486.0, 130.0, 28.0),
    )
    for x, y, _ in flowers:
        stems.stroke(curve([(x, y), (x - 8, y + 60), (x + 6, 294)], 12), 2.6)
    pattern.paint(stems, "#b9d08a")
    for k in range(44):
        x = 12 + k * 12.6
        lean = rng.uniform(-0.5, 0.5)
        tones = [("#a9cf86", "#86b56d"), ("#d9e0a0", "#b7c67a"), ("#6fb08c", "#58977a")][k % 3]
        paint_leaf(pattern, (x, 294), -np.pi / 2 + lean, rng.uniform(46, 110), 0.15, tones)
    for k, (x, y, size) in enumerate(flowers):
        if k in (1, 3, 5):
            paint_daisy(pattern, x, y, size)
        else:
            paint_poppy(pattern, x, y, size, rng)
    buds = pattern.stencil()
    for _ in range(46):
        buds.ellipse(rng.uniform(0, 560), rng.uniform(70, 270), rng.uniform(1.6, 3.6))
    pattern.paint(buds, "#f7d774", 0.9)
    return pattern.pixels


def plain_pattern(rng: np.random.Generator, bands: Sequence[float]) -> FloatArray:
    """Return plain glaze with cream bands at the given heights (0 to 1)."""
    pattern = Canvas(200, 120)
    glaze(pattern, rng)
    lines = pattern.stencil()
    for band in bands:
        lines.rectangle(0, band * 120, 200, band * 120 + 3.4)
    pattern.paint(lines, "#f4e3bd", 0.9)
    return pattern.pixels


def paint_shadows(canvas: Canvas) -> None:
    """Lay the soft shadows under teapot and cup."""
    for x, y, rx, ry, soft, strength in (
        (420.0, FLOOR + 6, 260.0, 26.0, 16.0, 0.35),
        (388.0, FLOOR + 2, 150.0, 15.0, 6.0, 0.55),
        (672.0, FLOOR + 28, 120.0, 15.0, 10.0, 0.40),
        (652.0, FLOOR + 24, 84.0, 10.0, 4.0, 0.45),
    ):
        canvas.shade(canvas.stencil().ellipse(x, y, rx, ry).blur(soft), "#6b5a66", strength)


def paint_teapot(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the teapot: handle and spout behind, body, lid and knob."""
    x = 384.0
    handle = [
        (x - 128, 362.0),
        (x - 196, 340.0),
        (x - 240, 396.0),
        (x - 226, 476.0),
        (x - 150, 540.0),
    ]
    paint_tube(canvas, handle, [15, 14, 13, 13, 15], "#1d6f69")
    spout = [
        (x + 120, 556.0),
        (x + 190, 520.0),
        (x + 214, 440.0),
        (x + 246, 372.0),
        (x + 286, 346.0),
    ]
    paint_tube(canvas, spout, [50, 40, 28, 20, 16.5], "#1d6f69")
    mouth = canvas.stencil().ellipse(x + 290, 343, 17, 8).rotate(-52, x + 290, 343)
    canvas.paint(mouth, "#f4e3bd")
    hole = canvas.stencil().ellipse(x + 290, 343, 13, 5).rotate(-52, x + 290, 343)
    canvas.paint(hole, "#0a2a2c")

    foot = [(FLOOR - 38, 96.0), (FLOOR - 26, 100.0), (FLOOR - 14, 106.0)]
    paint_turned(canvas, x, foot, plain_pattern(rng, [0.8]), gloss=0.6)
    body = [
        (306.0, 82.0),
        (318.0, 104.0),
        (350.0, 143.0),
        (400.0, 172.0),
        (455.0, 182.0),
        (510.0, 174.0),
        (560.0, 148.0),
        (594.0, 118.0),
        (612.0, 96.0),
    ]
    paint_turned(canvas, x, body, body_pattern(rng))
    collar = [(296.0, 88.0), (302.0, 90.0), (310.0, 88.0)]
    paint_turned(canvas, x, collar, plain_pattern(rng, [0.3]))
    lid = [(252.0, 12.0), (256.0, 40.0), (266.0, 62.0), (282.0, 78.0), (300.0, 86.0)]
    paint_turned(canvas, x, lid, plain_pattern(rng, [0.55, 0.86]))
    knob = [(210.0, 2.0), (213.0, 13.0), (224.0, 20.0), (236.0, 18.0), (246.0, 11.0), (256.0, 13.0)]
    paint_turned(canvas, x, knob, plain_pattern(rng, [0.45]))


def paint_cup(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint saucer and cup with tea in it."""
    x, y = 652.0, FLOOR + 18
    paint_turned(
        canvas,
        x,
        [(y - 10, 104.0), (y - 4, 92.0), (y + 6, 58.0)],
        plain_pattern(rng, [0.1]),
        tilt=0.17,
        gloss=0.5,
    )
    canvas.paint(canvas.stencil().ellipse(x, y - 10, 104, 18), "#2a8075")
    canvas.paint(canvas.stencil().ellipse(x, y - 10, 99, 16.4), "#e9dcc0")
    canvas.paint(canvas.stencil().ellipse(x, y - 9.4, 97, 15.6), "#1f6f68")
    canvas.shade(canvas.stencil().ellipse(x + 10, y - 5, 62, 10).blur(4), "#0a2a2c", 0.75)
    paint_tube(
        canvas,
        [(x + 58, y - 88), (x + 92, y - 94), (x + 98, y - 62), (x + 52, y - 36)],
        [7, 6.5, 6.5, 7],
        "#1d6f69",
    )
    cup = [
        (y - 110, 72.0),
        (y - 84, 69.0),
        (y - 56, 60.0),
        (y - 30, 46.0),
        (y - 14, 34.0),
        (y - 6, 34.0),
    ]
    paint_turned(canvas, x, cup, cup_pattern(rng), tilt=0.16)
    canvas.paint(canvas.stencil().ellipse(x, y - 110, 72, 13), "#f4e3bd")
    canvas.paint(canvas.stencil().ellipse(x, y - 109, 68, 11.4), "#0e4744")
    tea = canvas.stencil().ellipse(x, y - 105, 65, 9)
    tea.intersect(canvas.stencil().ellipse(x, y - 109, 68, 11.4))
    canvas.paint(
        tea, gradient((canvas.x - x) / 65, [(-1.0, "#7a3a12"), (0.1, "#c4701f"), (1.0, "#f0b04a")])
    )
    canvas.light(canvas.stencil().ellipse(x - 26, y - 106, 20, 2.6).blur(1), "#ffffff", 0.6)


def cup_pattern(rng: np.random.Generator) -> FloatArray:
    """Return the cup's painting: one poppy, leaves, a cream line."""
    pattern = Canvas(220, 110)
    glaze(pattern, rng)
    for k in range(14):
        tones = [("#a9cf86", "#86b56d"), ("#6fb08c", "#58977a")][k % 2]
        paint_leaf(
            pattern,
            (10 + 15.5 * k, 100),
            -np.pi / 2 + rng.uniform(-0.5, 0.5),
            rng.uniform(24, 46),
            0.17,
            tones,
        )
    paint_poppy(pattern, 100, 54, 24, rng)
    paint_daisy(pattern, 152, 46, 15)
    paint_daisy(pattern, 52, 48, 15)
    pattern.paint(pattern.stencil().rectangle(0, 12, 220, 14.6), "#f4e3bd", 0.9)
    return pattern.pixels


def paint_sprig(canvas: Canvas, rng: np.random.Generator) -> None:
    """Lay a sprig of mint, a daisy and a few tea leaves before the teapot."""
    for dx, dy, angle in ((0, 0, 2.7), (0, 0, -2.75), (14, -4, 0.35), (12, -2, -0.4), (6, 0, 3.14)):
        root = (196.0 + dx, FLOOR + 16 + dy)
        shadow = canvas.stencil().ellipse(root[0] + 26 * np.cos(angle), root[1] + 10, 30, 6).blur(4)
        canvas.shade(shadow, "#6b5a66", 0.4)
        paint_leaf(canvas, root, angle, rng.uniform(46, 58), 0.26, ("#6fae5c", "#4f8f4f"))
    paint_daisy(canvas, 204, FLOOR + 10, 22)
    crumbs = canvas.stencil()
    for _ in range(70):
        cx, cy = rng.normal(470, 44), rng.normal(FLOOR + 34, 6)
        angle, size = rng.uniform(0, np.pi), rng.uniform(2.5, 6)
        crumbs.stroke(
            [(cx, cy), (cx + size * np.cos(angle), cy + 0.5 * size * np.sin(angle))], 1.8, 0.9
        )
    canvas.paint(crumbs, "#4a3324", 0.9)
