"""Snowy mountain ranges, lit and shaded by their own crest lines."""

from __future__ import annotations

import numpy as np

from .canvas import SCALE, Canvas, FloatArray, Point, mix, noise, smoothstep


def _outline(x: FloatArray, crest: list[Point], rough: float, seed: int) -> FloatArray:
    """Return a mountain range's crest line: straight slopes between knots, roughened."""
    rng = np.random.default_rng(seed)
    line = np.interp(x, [p[0] for p in crest], [p[1] for p in crest])
    for octave in range(7):
        knots = np.arange(-40, x[-1] + 80, 90 / 2**octave)
        line += np.interp(x, knots, rng.uniform(-1, 1, knots.size)) * rough / 1.75**octave
    return line.astype(np.float32)


def _slopes(line: FloatArray, below: FloatArray) -> FloatArray:
    """Return the slope of the crest as felt at each depth below it: ridges widen as they fall."""
    widths = np.array([3, 8, 16, 30, 52, 84, 130], dtype=np.float32)
    felt = []
    for width in widths:
        reach = np.arange(-3 * width, 3 * width + 1 / SCALE, 1 / SCALE)
        kernel = np.exp(-0.5 * (reach / width) ** 2)
        padded = np.pad(line, reach.size // 2, mode="reflect", reflect_type="odd")
        smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")[: line.size]
        felt.append(np.gradient(smooth) * SCALE)
    table = np.stack(felt).astype(np.float32)
    level = np.interp(3 + below * 0.42, widths, np.arange(widths.size)).astype(np.float32)
    lower = np.clip(level.astype(np.int64), 0, widths.size - 2)
    share = level - lower
    columns = np.broadcast_to(np.arange(line.size), below.shape)
    result = table[lower, columns] * (1 - share) + table[lower + 1, columns] * share
    return np.asarray(result, dtype=np.float32)


def paint_range(
    canvas: Canvas,
    crest: list[Point],
    *,
    rough: float,
    seed: int,
    rock: tuple[str, str],
    snow: tuple[str, str],
    snow_line: float,
    foot: float,
    haze: tuple[str, float],
) -> None:
    """Paint one range: faces lit and shaded by the crest above them, snow, haze at the foot."""
    rng = np.random.default_rng(seed)
    spurs = _outline(canvas.x[0], [(0, 0), (canvas.width, 0)], 2.2 * rough, seed)
    line = _outline(canvas.x[0], crest, rough, seed)
    below = canvas.y - line[None, :]
    meander = noise(canvas.shape, (60, 60), rng, 4)
    crags = noise(canvas.shape, (34, 20), rng, 5)
    face = _slopes(line, np.maximum(below + meander * 12, 0))
    spur = _slopes(spurs, np.maximum(below * 0.55 + meander * 8, 0))
    facing = face + 0.9 * spur + 0.26 * crags
    light = smoothstep(-0.16, 0.20, facing)
    light *= 0.68 + 0.32 * smoothstep(-0.12, 0.12, spur + 0.16 * crags)
    light = np.maximum(light, 0.30 * smoothstep(0.0, 0.22, spur + 0.16 * crags))
    stone, white = mix(rock[1], rock[0], light), mix(snow[1], snow[0], light)
    ledges = 30 * meander + 24 * crags + 90 * spur - 0.10 * below
    snowy = smoothstep(-5, 7, snow_line - canvas.y + ledges + light * 26)
    colour = mix(stone, white, snowy)
    mist = smoothstep(foot - 190, foot, canvas.y) * haze[1]
    colour = mix(colour, haze[0], np.broadcast_to(mist, canvas.shape))
    canvas.paint(np.clip(below * SCALE, 0, 1), colour)
