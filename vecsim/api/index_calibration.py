"""Calibration of the threshold of an `Index`: counts, labels, the curve and the page of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from vecsim.api.progress import ProgressTo, counting
from vecsim.errors import StorageError, UsageError
from vecsim.operations.calibrating import (
    Calibration,
    calibration,
    check_precision,
    pairs_to_label,
)
from vecsim.operations.index_settings import store_threshold
from vecsim.operations.matching import open_pair
from vecsim.operations.requests import check_whole
from vecsim.render.calibration_curve import plot_calibration
from vecsim.render.report import write_pairs_to_label

if TYPE_CHECKING:
    from vecsim.api.index import Index


class IndexCalibration:
    """Calibration; `Index` has the index itself."""

    path: Path

    def calibrate(
        self,
        other: Index | str | Path | None = None,
        *,
        labels: str | Path | Sequence[str | Path] = (),
        precision: float = 0.95,
        apply: bool = False,
        plot: str | Path | None = None,
        label: str | Path | None = None,
        pairs: int = 50,
        seed: int = 0,
        show_all: bool = False,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Calibration:
        """Count all pairs by score, and estimate precision and recall from `labels`.

        Pairs are those of this index with itself, or with `other`. `labels`: CSV files of answers,
        as the page for labelling exports. `precision`: what the result's `recommended` threshold
        is to have. `apply`: store that threshold in the index (of two, in `other`) as its default.
        `plot`: a file for the curve, .html or .png (needs matplotlib). `label`: an HTML file for a
        page of `pairs` pairs to label, drawn with `seed`; with `labels`, of pairs near the best
        threshold. `show_all`: count pairs with a picture of one colour too; the result's `hidden`
        says how many were left out. `progress`: True for a bar, or a function of a `Progress`.
        `cancel`: once it is set, `StoppedError` is raised.

        Raises `InputError`, `FingerprintError`, `StorageError`, and `UsageError` where no threshold
        is recommended.

        >>> shop.calibrate(label="label.html")
        <Calibration: 15 pairs, 4 match at 0.6875>
        """
        curve = _page("plot", plot, ".html", ".png")
        page = _page("label", label, ".html")
        check_whole("pairs", pairs, 1, 1_000)
        places = [self.path]
        if other is not None and other is not self:
            places.append(Path(other) if isinstance(other, str | Path) else other.path)
        files = list(map(Path, [labels] if isinstance(labels, str | Path) else labels))
        wanted, title = check_precision(precision), " and ".join(place.name for place in places)
        # Snapshots of their own: images are hidden in them.
        with (
            open_pair(places) as sides,
            counting(progress, cancel, "The calibration") as report,
        ):
            found = calibration(*sides, files, wanted, show_all=show_all, progress=report)
            if curve is not None:
                plot_calibration(curve, title, found)
            if page is not None:
                drawn = pairs_to_label(*sides, found, pairs, seed=seed)
                write_pairs_to_label(page, title, drawn, sides, earlier=len(files))
        if apply:
            best = found.recommended
            if best is None:
                raise UsageError("No threshold was stored: none can be recommended yet.")
            store_threshold(places[-1], best.threshold, wait=wait)
        return found


def _page(argument: str, file: str | Path | None, *suffixes: str) -> Path | None:
    """Return the path of a page to write. Raises `UsageError`, `StorageError`."""
    if file is None:
        return None
    path = Path(file)
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{argument}={str(file)!r}: must end in {' or '.join(suffixes)}.")
    if not path.parent.is_dir():
        raise StorageError(f"{path}: cannot be written: there is no such folder.")
    return path
