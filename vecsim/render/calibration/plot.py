"""The curve as a PNG, by matplotlib: `pip install vecsim[plot]`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from vecsim.errors import MissingExtraError

if TYPE_CHECKING:
    from vecsim.render.calibration.curve import Curve


def plot(curve: Curve) -> bytes:
    """The curve as a PNG file. Raises `MissingExtraError` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "a PNG needs matplotlib: pip install vecsim[plot]. A name that ends in .html needs "
            "nothing."
        ) from error
    bins = curve.counts.thresholds
    scores = (bins - 1000) / 1000
    figure = Figure(figsize=(10, 8 if curve.found else 4.5), layout="constrained")
    figure.suptitle(curve.title)
    panels = figure.subplots(2 if curve.found else 1, squeeze=False)[:, 0]
    panels[0].step(scores, curve.counts.tail[bins], where="post")
    panels[0].set_yscale("log")
    panels[0].set_ylabel("matches")
    if curve.found:
        at = [estimate.threshold for estimate in curve.found]
        for name in ("precision", "recall"):
            shares = [getattr(estimate, name) for estimate in curve.found]
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
