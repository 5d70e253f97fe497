"""What stands and floats at the lake: pines, a cabin, a rowing boat."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Stencil


def plant_pine(
    stencil: Stencil, x: float, foot: float, height: float, rng: np.random.Generator
) -> None:
    """Add one pine: a thin trunk and tiers of drooping, ragged boughs."""
    top = foot - height
    stencil.polygon([(x - height * 0.014, foot), (x, top), (x + height * 0.014, foot)])
    tiers = int(np.clip(height / 6.5, 7, 64))
    for tier in range(tiers):
        t = (tier + 0.6) / tiers
        y = top + height * 0.93 * t
        reach = height * 0.19 * t**0.85
        for side in (-1, 1):
            length = reach * rng.uniform(0.68, 1.12)
            droop = length * rng.uniform(0.30, 0.55)
            thick = height / tiers * 1.15
            tip = (x + side * length, y + droop)
            points = [(x, y - thick * 0.9), (x + side * length * 0.5, y - thick * 0.1), tip]
            teeth = 5 if height < 150 else 9
            for k in range(1, teeth):
                share = 1 - k / teeth
                sag = droop * share**1.5 + thick * (0.9 if k % 2 else 0.1) * rng.uniform(0.6, 1.2)
                points.append((x + side * length * share, y + sag))
            points.append((x, y + thick * 0.5))
            stencil.polygon(points)


def paint_cabin(canvas: Canvas, shore: float) -> None:
    """Paint a log cabin with lit windows on a spit of land, and its smoke."""
    spit = canvas.stencil().polygon(
        [
            (500, shore + 4),
            (528, shore - 4),
            (570, shore - 9),
            (650, shore - 12),
            (720, shore - 16),
            (720, shore + 4),
        ]
    )
    canvas.paint(spit, "#10163d")
    left, right, eaves, foot = 566.0, 622.0, shore - 36, shore - 8
    canvas.paint(canvas.stencil().rectangle(left, eaves, right, foot), "#35234a")
    logs = canvas.stencil()
    for k in range(6):
        logs.rectangle(left, eaves + 4.6 * k, right, eaves + 4.6 * k + 0.9)
    canvas.paint(logs, "#1a1436")
    roof = [
        (left - 8, eaves + 2),
        (left + 10, eaves - 22),
        (right - 8, eaves - 22),
        (right + 8, eaves + 2),
    ]
    canvas.paint(canvas.stencil().polygon(roof), "#8189c4")
    canvas.paint(
        canvas.stencil().polygon(
            [
                (left - 8, eaves + 2),
                (right + 8, eaves + 2),
                (right + 6, eaves - 2),
                (left - 5, eaves - 2),
            ]
        ),
        "#2a2f6b",
    )
    canvas.paint(canvas.stencil().rectangle(602, eaves - 34, 610, eaves - 16), "#241c42")
    windows = canvas.stencil()
    for x in (572.0, 606.0):
        windows.rectangle(x, eaves + 8, x + 10, eaves + 19)
    windows.rectangle(588, eaves + 8, 599, foot)
    canvas.light(canvas.stencil().rectangle(566, eaves, 622, foot).blur(13), "#ff9a3c", 0.85)
    canvas.paint(windows, "#ffc766")
    bars = canvas.stencil().rectangle(588, eaves + 8, 599, foot)
    canvas.paint(bars, "#c9702c", 0.85)
    panes = canvas.stencil()
    for x in (572.0, 606.0):
        panes.rectangle(x + 4.5, eaves + 8, x + 5.5, eaves + 19)
        panes.rectangle(x, eaves + 13, x + 10, eaves + 14)
    canvas.paint(panes, "#5a3526")
    for k in range(26):
        t = k / 25
        x = 606 + 26 * t + 9 * np.sin(t * 7)
        puff = canvas.stencil().ellipse(x, eaves - 36 - 96 * t, 3 + 11 * t, 4 + 8 * t)
        canvas.light(puff.blur(2 + 4 * t), "#cfc4ea", 0.16 * (1 - t))


def paint_boat(canvas: Canvas) -> None:
    """Paint a rowing boat with one rower and a lantern, dark against the moon's path."""
    x, y = 398.0, 812.0
    dark = "#0a0f30"
    hull = [
        (x - 66, y - 12),
        (x - 44, y - 5),
        (x, y - 3),
        (x + 46, y - 5),
        (x + 70, y - 15),
        (x + 56, y + 6),
        (x + 40, y + 12),
        (x - 38, y + 12),
        (x - 54, y + 5),
    ]
    shadow = canvas.stencil().ellipse(x, y + 17, 72, 9).blur(3.5)
    canvas.shade(shadow, "#10184a", 0.8)
    rower = canvas.stencil()
    rower.polygon(
        [
            (x - 22, y),
            (x - 18, y - 26),
            (x - 10, y - 37),
            (x + 2, y - 36),
            (x + 8, y - 22),
            (x + 10, y),
        ]
    )
    rower.ellipse(x - 3, y - 46, 8.2, 9).ellipse(x - 3, y - 50, 14, 2.6)
    rower.polygon([(x - 11, y - 50), (x - 8, y - 59), (x + 3, y - 59), (x + 6, y - 50)])
    rower.stroke([(x + 2, y - 30), (x + 17, y - 19), (x + 26, y - 21)], 5.5, 4)
    rower.stroke([(x - 14, y - 30), (x - 4, y - 16), (x + 12, y - 15)], 5.5, 4)
    rower.stroke([(x + 27, y - 23), (x - 62, y + 17)], 2.2).ellipse(x - 70, y + 20, 13, 3)
    canvas.paint(rower, dark)
    canvas.paint(canvas.stencil().polygon(hull), dark)
    trim = canvas.stencil().stroke(
        [(x - 64, y - 11), (x - 44, y - 4), (x, y - 2), (x + 46, y - 4), (x + 69, y - 14)], 1.8
    )
    canvas.paint(trim, "#d9a77c")
    post = canvas.stencil().stroke([(x + 62, y - 12), (x + 62, y - 38), (x + 71, y - 40)], 1.8)
    canvas.paint(post, dark)
    canvas.light(canvas.stencil().ellipse(x + 71, y - 31, 15).blur(11), "#ffae4a", 1.0)
    canvas.paint(canvas.stencil().rounded(x + 67, y - 38, x + 75, y - 26, 2), "#ffd98a")
    canvas.light(canvas.stencil().ellipse(x + 71, y + 24, 9, 14).blur(6), "#ff9a3c", 0.75)
