"""The calibration curve: matches at each threshold, as an HTML page with SVG or as a PNG."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import TYPE_CHECKING

from vecsim.errors import MissingExtraError
from vecsim.render.destination import open_output
from vecsim.render.html_page import Page
from vecsim.render.terminal import counted

if TYPE_CHECKING:
    from vecsim.operations.calibrating import Calibration
    from vecsim.operations.calibrating.counting import ScoreCounts
    from vecsim.operations.calibrating.estimating import Estimate

_PAGE = Page(None, ("curve.css",))
_WIDTH, _HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 16, 44


@dataclass(frozen=True, slots=True)
class Curve:
    """The data of a curve.

    `estimates`: of precision and recall, empty without labels. `present`: the threshold in use.
    `recommended`: the threshold that the labels suggest.
    """

    title: str
    facts: Sequence[str]
    counts: ScoreCounts
    estimates: Sequence[Estimate]
    present: float | None
    recommended: float | None


def write_curve(output: Path, curve: Curve) -> None:
    """Write a page (.html) or a PNG, complete or not at all.

    Raises `MissingExtraError` for a PNG without matplotlib.
    """
    if output.suffix.lower() == ".png":
        data = _png(curve)
    else:
        main = f"<main>\n{''.join(_figures(curve))}</main>\n".encode("utf-8", "backslashreplace")
        data = _PAGE.opening(curve.title, curve.facts) + main + _PAGE.closing()
    with open_output(output) as stream:
        stream.write(data)


def plot_calibration(output: Path, title: str, found: Calibration) -> None:
    """Write the curve of what is known of thresholds, as `write_curve`; `title`: the indexes."""
    facts = [counted(found.counts.total, "pair")]
    if found.answered is not None:
        facts.append(counted(len(found.answered.labels), "label"))
    best = found.recommended.threshold if found.recommended else None
    estimates = list(found.estimates or ())
    heading = f"Thresholds of {title}"
    write_curve(output, Curve(heading, facts, found.counts, estimates, found.present, best))


def _figures(curve: Curve) -> Iterator[str]:
    counts = curve.counts
    bins = counts.thresholds.tolist()
    if not bins:
        yield '<p class="empty">There are no pairs.</p>'
        return
    low = curve.estimates[0].threshold if curve.estimates else _score_of(bins[0])
    plots = [("Matches at each threshold", _matches_plot(curve, _score_of(bins[0])))]
    if curve.estimates:
        plots.append((f"Precision and recall from {low:g} up", _shares_plot(curve, low)))
    for title, drawing in plots:
        yield f"<h2>{html.escape(title)}</h2>{drawing}"
    yield "<details><summary>The numbers</summary>" + _table(curve) + "</details>"


def _score_of(bin_: int) -> float:
    return (bin_ - 1000) / 1000


def _x(score: float, low: float) -> float:
    return _LEFT + (score - low) / max(1e-9, 1 - low) * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _matches_plot(curve: Curve, low: float) -> str:
    """Draw matches as a line and pairs as bars, on a logarithmic scale."""
    from vecsim.operations.calibrating.counting import STEP

    counts = curve.counts
    bins = counts.thresholds.tolist()
    top = max(1, ceil(log10(counts.total + 1)))

    def height(count: int) -> float:
        return _y(log10(count) / top) if count > 0 else _y(0)

    parts = [_axes(low, [(10**n, _y(n / top)) for n in range(top + 1)], "pairs")]
    for bin_ in bins:
        pairs = counts.pairs_between(bin_, min(bin_ + STEP, len(counts.counts)))
        if pairs:
            x, y = _x(_score_of(bin_), low), height(pairs)
            wide = max(1.0, _x(_score_of(bin_ + STEP), low) - x - 0.5)
            # The bar of a single pair has a height of 0 on this scale.
            tall = max(2.0, _y(0) - y)
            text = f"{_score_of(bin_):.3f}: {pairs:,} pairs; {counts.tail[bin_]:,} match"
            parts.append(
                f'<rect class="bar" x="{x:.1f}" y="{_y(0) - tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}"><title>{text}</title></rect>'
            )
    points = " ".join(
        f"{_x(_score_of(b), low):.1f},{height(int(counts.tail[b])):.1f}" for b in bins
    )
    parts.append(f'<polyline class="line" points="{points}"/>')
    parts += _marks(curve, low)
    label = "Line: matches at or above each score. Bars: pairs at each score. Logarithmic scale."
    return _svg(parts, label)


def _shares_plot(curve: Curve, low: float) -> str:
    """Draw precision and recall with their intervals."""
    parts = [_axes(low, [(f"{n * 20} %", _y(n / 5)) for n in range(6)], "")]
    for name in ("recall", "precision"):
        shares = [(estimate.threshold, getattr(estimate, name)) for estimate in curve.estimates]
        above = [f"{_x(score, low):.1f},{_y(share.high):.1f}" for score, share in shares]
        below = [f"{_x(score, low):.1f},{_y(share.low):.1f}" for score, share in reversed(shares)]
        parts.append(f'<polygon class="band {name}" points="{" ".join(above + below)}"/>')
    for name in ("recall", "precision"):
        points = " ".join(
            f"{_x(e.threshold, low):.1f},{_y(getattr(e, name).value):.1f}" for e in curve.estimates
        )
        parts.append(f'<polyline class="line {name}" points="{points}"/>')
    parts += _marks(curve, low)
    key = (
        '<p class="key"><span class="precision">Precision</span>: share of matches that are the '
        'same picture. <span class="recall">Recall</span>: share of the same pictures that match, '
        f"of those that score {low:g} or more. Bands: 95 % intervals.</p>"
    )
    return _svg(parts, "Precision and recall at each threshold with their intervals.") + key


def _marks(curve: Curve, low: float) -> Iterator[str]:
    for name, score in (("present", curve.present), ("recommended", curve.recommended)):
        if score is None or score < low:
            continue
        x = _x(score, low)
        bottom, top = _y(0), _TOP
        side = "end" if name == "present" else "start"
        shift = -5 if name == "present" else 5
        yield f'<line class="mark {name}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        yield (
            f'<text class="{name}" x="{x + shift:.1f}" y="{top + 12}" text-anchor="{side}">'
            f"{name} {score:g}</text>"
        )


def _axes(low: float, ticks: Sequence[tuple[object, float]], unit: str) -> str:
    parts = []
    for value, y in ticks:
        text = f"{value:,}" if isinstance(value, int) else str(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if (1 - low) / s <= 10 or s == 0.5)
    for number in range(ceil(low / step - 1e-9), floor(1 / step + 1e-9) + 1):
        x = _x(number * step, low)
        y = _HEIGHT - _BOTTOM
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 5}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{y + 20}" text-anchor="middle">{number * step:.2f}</text>'
        )
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 4}">threshold</text>')
    if unit:
        parts.append(f'<text class="unit" x="{_LEFT + 6}" y="{_TOP + 15}">{unit}</text>')
    return "".join(parts)


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<div class="plot"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(parts)}</svg></div>'
    )


def _table(curve: Curve) -> str:
    from vecsim.render.columns import calibration_columns, calibration_rows

    estimates = curve.estimates or None
    names = [column.name.replace("_", " ") for column in calibration_columns(estimates is not None)]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = [
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>"
        for row in calibration_rows(curve.counts, estimates)
    ]
    return (
        '<div class="plot"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(reversed(rows))}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _png(curve: Curve) -> bytes:
    """Return the curve as a PNG file. Raises `MissingExtraError` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "a PNG needs matplotlib: pip install 'vecsim[plot]'. A page (.html) does not."
        ) from error
    bins = curve.counts.thresholds
    scores = (bins - 1000) / 1000
    figure = Figure(figsize=(10, 8 if curve.estimates else 4.5), layout="constrained")
    figure.suptitle(curve.title)
    panels = figure.subplots(2 if curve.estimates else 1, squeeze=False)[:, 0]
    panels[0].step(scores, curve.counts.tail[bins], where="post")
    panels[0].set_yscale("log")
    panels[0].set_ylabel("matches")
    if curve.estimates:
        at = [estimate.threshold for estimate in curve.estimates]
        for name in ("precision", "recall"):
            shares = [getattr(estimate, name) for estimate in curve.estimates]
            (line,) = panels[1].plot(at, [share.value for share in shares], label=name)
            low, high = [share.low for share in shares], [share.high for share in shares]
            panels[1].fill_between(at, low, high, color=line.get_color(), alpha=0.2)
        panels[1].set_ylim(0, 1.02)
        panels[1].set_ylabel("share, with 95 % interval")
    for panel in panels:
        for name, score, style in (
            ("present", curve.present, ":"),
            ("recommended", curve.recommended, "-"),
        ):
            if score is not None:
                panel.axvline(score, color="gray", linestyle=style, label=f"{name} {score:g}")
        panel.set_xlabel("threshold")
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120)
    return data.getvalue()
