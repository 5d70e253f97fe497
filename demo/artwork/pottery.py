"""Glazed pottery: bodies turned on a wheel and bent tubes, lit from the upper left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .canvas import SCALE, Canvas, FloatArray, Point, curve, rgb, smoothstep

LIGHT = np.array([-0.52, -0.62, 0.59], dtype=np.float32)  # x right, y down, z to the viewer


def lit(
    normal: tuple[FloatArray, FloatArray, FloatArray], base: FloatArray, gloss: float = 1.0
) -> FloatArray:
    """Return a glazed surface's colour: soft daylight, a window's reflection, a cool bounce."""
    nx, ny, nz = normal
    diffuse = np.clip(nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2], -1, 1)
    shade = 0.34 + 0.76 * smoothstep(-0.75, 1.0, diffuse)
    colour = base * shade[..., None]
    bounce = smoothstep(0.25, 0.95, nx) * (0.4 + 0.6 * smoothstep(-0.3, 0.8, ny))
    colour = colour + (bounce * 0.22)[..., None] * rgb("#f7c9ae")
    edge = (1 - np.clip(nz, 0, 1)) ** 3
    colour = colour + (edge * 0.16 * gloss)[..., None] * rgb("#ffffff")
    across = 1 - smoothstep(0.11, 0.14, np.abs(nx + 0.44))
    along = 1 - smoothstep(0.20, 0.235, np.abs(ny + 0.36))
    bar = smoothstep(0.006, 0.014, np.abs(nx + 0.44)) * smoothstep(0.006, 0.014, np.abs(ny + 0.36))
    window = across * along * bar * (nz > 0)
    half = np.clip(nx * -0.30 + ny * -0.36 + nz * 0.88, 0, 1) ** 26
    colour = colour + (1 - colour) * (gloss * (0.62 * window + 0.20 * half))[..., None]
    return np.asarray(np.clip(colour, 0, 1), dtype=np.float32)


def paint_turned(
    canvas: Canvas,
    x: float,
    profile: Sequence[Point],
    pattern: FloatArray,
    *,
    tilt: float = 0.13,
    gloss: float = 1.0,
) -> None:
    """Paint a body turned on a wheel.

    `profile` lists (height, radius) from top to bottom; `tilt` says how far the viewer looks down
    on it; `pattern` is wrapped around it: rows from top to bottom, columns over the visible half.
    """
    dense = curve(profile, 24)
    heights = np.array([p[0] for p in dense])
    radii = np.maximum(np.array([p[1] for p in dense]), 0.01)
    order = np.argsort(heights, kind="stable")
    heights, radii = heights[order], radii[order]
    widest = float(radii.max())
    left, right = int((x - widest - 2) * SCALE), int((x + widest + 2) * SCALE)
    top, bottom = int((heights[0] - 4) * SCALE), int((heights[-1] + widest * tilt + 4) * SCALE)
    across = canvas.x[:, left:right] - x
    y = np.broadcast_to(canvas.y[top:bottom], (bottom - top, right - left))

    level = y.copy()
    for _ in range(12):
        radius = np.interp(level, heights, radii).astype(np.float32)
        front = np.sqrt(np.maximum(radius**2 - across**2, 0))
        level = level + 0.6 * (y - tilt * front - level)
    radius = np.interp(level, heights, radii).astype(np.float32)
    share = across / radius
    inside = (level >= heights[0]) & (level <= heights[-1]) & (np.abs(share) < 1)

    share = np.clip(share, -1, 1)
    slope = np.interp(level, heights, np.gradient(radii, heights + 1e-3 * np.arange(heights.size)))
    length = np.sqrt(1 + slope**2)
    nx = (share / length).astype(np.float32)
    nz = (np.sqrt(1 - share**2) / length).astype(np.float32)
    ny = (-slope / length).astype(np.float32)
    rows = np.clip((level - heights[0]) / (heights[-1] - heights[0]), 0, 1) * (pattern.shape[0] - 1)
    columns = (np.arcsin(share) / np.pi + 0.5) * (pattern.shape[1] - 1)
    base = pattern[rows.astype(np.int64), columns.astype(np.int64)]
    colour = lit((nx, ny, nz), base, gloss)
    below = canvas.pixels[top:bottom, left:right]
    below += (colour - below) * inside[..., None]


def paint_tube(
    canvas: Canvas, line: Sequence[Point], widths: Sequence[float], tone: str, *, gloss: float = 0.9
) -> None:
    """Paint a bent, round body along a line whose radius runs through `widths`."""
    path = np.array(curve(line, 40), dtype=np.float32)
    radii = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(widths)), widths)
    reach = float(max(widths)) + 2
    left, top = ((path.min(axis=0) - reach) * SCALE).astype(int)
    right, bottom = ((path.max(axis=0) + reach) * SCALE).astype(int)
    xs, ys = canvas.x[:, left:right], canvas.y[top:bottom]
    nearest = np.full((bottom - top, right - left), 9.0, dtype=np.float32)
    nx, ny = np.zeros_like(nearest), np.zeros_like(nearest)
    for (px, py), radius in zip(path, radii, strict=True):
        dx, dy = (xs - px) / np.float32(radius), (ys - py) / np.float32(radius)
        distance = dx * dx + dy * dy
        closer = distance < nearest
        nearest = np.where(closer, distance, nearest)
        nx, ny = np.where(closer, dx, nx), np.where(closer, dy, ny)
    nz = np.sqrt(np.clip(1 - nearest, 0, 1))
    colour = lit((nx, ny, nz), np.broadcast_to(rgb(tone), (*nearest.shape, 3)), gloss)
    below = canvas.pixels[top:bottom, left:right]
    below += (colour - below) * (nearest < 1)[..., None]
