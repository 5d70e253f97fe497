"""The product card's lettering: price tag, name, stars, colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .canvas import Canvas, Point, curve, gradient, lettering

INK = "#23403a"


def paint_price_tag(canvas: Canvas) -> None:
    """Hang a cardboard price tag on the spout."""
    x, y = 712.0, 404.0
    thread = curve([(650, 369), (660, 388), (690, 386), (x, y + 2)], 12)
    thread_back = curve([(668, 356), (690, 366), (706, 384), (x, y + 2)], 12)
    canvas.paint(canvas.stencil().stroke(thread_back, 1.8), "#b03a34")
    outline = [
        (x - 20, y - 16),
        (x + 20, y - 16),
        (x + 48, y + 12),
        (x + 48, y + 112),
        (x - 48, y + 112),
        (x - 48, y + 12),
    ]
    turn = 9
    shadow = canvas.stencil().polygon([(px + 5, py + 7) for px, py in outline]).rotate(turn, x, y)
    canvas.shade(shadow.blur(6), "#6b5a66", 0.55)
    card = canvas.stencil().polygon(outline).rotate(turn, x, y)
    canvas.paint(card, gradient((canvas.y - y) / 120, [(0.0, "#e3574a"), (1.0, "#c23a3a")]))
    seam = canvas.stencil()
    inner = [
        (x - 17, y - 10),
        (x + 17, y - 10),
        (x + 42, y + 15),
        (x + 42, y + 106),
        (x - 42, y + 106),
        (x - 42, y + 15),
        (x - 17, y - 10),
    ]
    for (x0, y0), (x1, y1) in pairwise(inner):
        dashes = max(2, int(np.hypot(x1 - x0, y1 - y0) / 7))
        for k in range(dashes):
            a, b = k / dashes, (k + 0.55) / dashes
            seam.stroke(
                [
                    (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a),
                    (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b),
                ],
                1.1,
            )
    canvas.paint(seam.rotate(turn, x, y), "#fbd9c8", 0.9)
    text = canvas.stencil()
    lettering(text, "only", x, y + 38, 17, tracking=1.5)
    lettering(text, "$34", x, y + 77, 40, weight=0.8)
    lettering(text, ".90", x, y + 99, 19, tracking=1, weight=0.3)
    canvas.paint(text.rotate(turn, x, y), "#fffaf0")
    canvas.paint(canvas.stencil().ellipse(x, y + 2, 8.4), "#f4e3bd")
    canvas.paint(canvas.stencil().ellipse(x, y + 2, 4.6), "#7a2a2c")
    canvas.paint(canvas.stencil().stroke(thread, 1.8), "#d8564a")


def paint_caption(canvas: Canvas) -> None:
    """Set the product's name, what it is, its stars and its colours."""
    text, small = canvas.stencil(), canvas.stencil()
    lettering(text, "MEADOW TEAPOT", 46, 772, 52, tracking=4, anchor="left", weight=0.9)
    lettering(
        small, "Stoneware, painted by hand, 1.2 litres", 48, 810, 22, tracking=0.4, anchor="left"
    )
    canvas.paint(text, INK)
    canvas.paint(small, "#5f7a72")
    canvas.paint(canvas.stencil().rectangle(48, 708, 772, 709.4), "#d9d2c4")
    stars = canvas.stencil()
    for k in range(5):
        stars.polygon(star(58.0 + 27 * k, 840, 11.5))
    canvas.paint(stars, "#eda023")
    reviews = canvas.stencil()
    lettering(reviews, "218 reviews", 196, 847, 18, anchor="left")
    canvas.paint(reviews, "#8a9a94")
    for k, tone in enumerate(("#1d6f69", "#d8433a", "#e8a33a", "#31597d")):
        canvas.paint(canvas.stencil().ellipse(652.0 + 36 * k, 838, 13), tone)
        canvas.light(canvas.stencil().ellipse(648.0 + 36 * k, 833, 4).blur(1.5), "#ffffff", 0.6)
    canvas.paint(canvas.stencil().ellipse(652, 838, 17).ellipse(652, 838, 15.2, fill=0), INK)


def star(x: float, y: float, size: float) -> list[Point]:
    """Return the corners of a five-pointed star."""
    corners = []
    for k in range(10):
        reach = size if k % 2 == 0 else size * 0.42
        angle = -np.pi / 2 + np.pi * k / 5
        corners.append((x + reach * float(np.cos(angle)), y + reach * float(np.sin(angle))))
    return corners
