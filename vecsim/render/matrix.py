"""A small matrix of scores, to be read by people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vecsim.render.table import cell_width, shorten

if TYPE_CHECKING:
    from vecsim.records import Float64

_ID_WIDTH = 20


def format_matrix(
    query_ids: Sequence[str],
    reference_ids: Sequence[str],
    scores: Float64,
    *,
    threshold: float | None = None,
) -> str:
    """Lay out `scores`, shape (queries, references), with the ids beside and above.

    With a `threshold` the scores that reach it are marked with a star.
    """
    head = [shorten(text, _ID_WIDTH) for text in reference_ids]
    side = [shorten(text, _ID_WIDTH) for text in query_ids]
    margin = max(map(cell_width, side), default=0)
    lines = ["".join([" " * margin, *(f"  {_right(text, 9)}" for text in head)])]
    for text, row in zip(side, scores.tolist(), strict=True):
        cells = [
            f"  {_right(f'{score + 0.0:.6f}', max(8, cell_width(title) - 1))}"
            + ("*" if threshold is not None and score >= threshold else " ")
            for score, title in zip(row, head, strict=True)
        ]
        lines.append((_right(text, margin) + "".join(cells)).rstrip())
    return "\n".join(lines)


def _right(text: str, width: int) -> str:
    return " " * (width - cell_width(text)) + text
