"""Leaves and flowers."""

from __future__ import annotations

import numpy as np

from .canvas import SCALE, Canvas, Point, Stencil, curve, gradient


def paint_leaf(
    canvas: Canvas, root: Point, angle: float, length: float, width: float, tones: tuple[str, str]
) -> None:
    """Paint one leaf: two halves in two tones, a midrib, side veins."""
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    across = np.array([-np.sin(angle), np.cos(angle)]) * length * width
    start = np.array(root)

    def place(t: float, side: float) -> Point:
        spot = start + along * t + across * side
        return float(spot[0]), float(spot[1])

    whole: list[Point] = []
    for side, tone in ((1.0, tones[0]), (-1.0, tones[1])):
        half = curve(
            [
                place(0, 0),
                place(0.25, 0.85 * side),
                place(0.55, side),
                place(0.82, 0.55 * side),
                place(1, 0),
            ],
            7,
        )
        canvas.paint(canvas.stencil().polygon(half), tone)
        whole += half if side > 0 else half[::-1]
    veins = canvas.stencil()
    for k in range(1, 7):
        t = k / 7
        for side in (-1.0, 1.0):
            veins.stroke([place(t * 0.9, 0), place(t * 0.9 + 0.16, 0.8 * side)], 0.5)
    veins.intersect(canvas.stencil().polygon(whole))
    veins.stroke([place(0, 0), place(0.97, 0)], 1.1, 0.4)
    canvas.paint(veins, "#e2ecc4", 0.55)


def paint_poppy(canvas: Canvas, x: float, y: float, size: float, rng: np.random.Generator) -> None:
    """Paint a poppy seen from above: crinkled petals, dark heart, stamens."""
    start = rng.uniform(0, 2 * np.pi)
    for k, reach in enumerate((1.0, 1.0, 1.0, 0.82, 0.82, 0.82)):
        middle = start + 2 * np.pi * (k + (0.5 if k > 2 else 0)) / 3
        rim: list[Point] = [(x, y)]
        for turn in np.linspace(-1.05, 1.05, 15):
            wave = reach * size * (1 - 0.28 * (turn / 1.05) ** 2) * rng.uniform(0.94, 1.05)
            rim.append((x + wave * np.cos(middle + turn), y + wave * np.sin(middle + turn)))
        petal = canvas.stencil().polygon(curve([*rim, (x, y)], 4))
        distance = np.sqrt((canvas.x - x) ** 2 + (canvas.y - y) ** 2) / size
        tone = gradient(
            distance, [(0.1, "#8f1f2c"), (0.45, "#d8432f"), (0.8, "#f0674a"), (1.0, "#ff9a76")]
        )
        canvas.shade(petal_shadow(canvas, petal), "#7a2430", 0.35)
        canvas.paint(petal, tone)
        creases = canvas.stencil()
        for turn in np.linspace(-0.8, 0.8, 7):
            angle = middle + turn
            creases.stroke(
                [
                    (x + 0.25 * size * np.cos(angle), y + 0.25 * size * np.sin(angle)),
                    (
                        x + 0.9 * reach * size * np.cos(angle + 0.05),
                        y + 0.9 * reach * size * np.sin(angle + 0.05),
                    ),
                ],
                0.7,
            )
        canvas.shade(creases.intersect(petal), "#b02a2c", 0.45)
    canvas.paint(canvas.stencil().ellipse(x, y, size * 0.24), "#2c1a2a")
    canvas.paint(canvas.stencil().ellipse(x, y, size * 0.11), "#8fae6a")
    stamens = canvas.stencil()
    for k in range(18):
        angle = 2 * np.pi * k / 18
        stamens.ellipse(
            x + size * 0.31 * np.cos(angle), y + size * 0.31 * np.sin(angle), size * 0.032
        )
    canvas.paint(stamens, "#2c1a2a")


def petal_shadow(canvas: Canvas, petal: Stencil) -> Stencil:
    """Return the soft shadow a petal throws on what lies below it."""
    shadow = canvas.stencil()
    shadow.mask.paste(petal.mask, (SCALE, SCALE))
    return shadow.blur(2)


def paint_daisy(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Paint a daisy."""
    for ring, tone in ((0.0, "#dfe3ea"), (0.5, "#ffffff")):
        petals = canvas.stencil()
        for k in range(11):
            angle = 2 * np.pi * (k + ring) / 11
            tip = (x + size * np.cos(angle), y + size * np.sin(angle))
            petals.stroke(
                [(x, y), ((x + tip[0]) / 2, (y + tip[1]) / 2), tip], size * 0.16, size * 0.26
            )
        canvas.shade(petal_shadow(canvas, petals), "#8fa0a0", 0.5)
        canvas.paint(petals, tone)
    canvas.paint(canvas.stencil().ellipse(x, y, size * 0.34), "#e8a023")
    canvas.light(
        canvas.stencil().ellipse(x - size * 0.1, y - size * 0.1, size * 0.16).blur(1),
        "#fff0a0",
        0.8,
    )
