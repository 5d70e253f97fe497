"""Acts on lists that say which files of each group to keep: apply, its journal, and undo."""

from vecsim.operations.applying.requests import (
    ApplyProgress,
    ApplyReport,
    ApplyRequest,
    Choice,
    Outcome,
    Returned,
    UndoReport,
    read_choices,
)
from vecsim.operations.applying.run import apply_choices
from vecsim.operations.applying.undo import undo

__all__ = [
    "ApplyProgress",
    "ApplyReport",
    "ApplyRequest",
    "Choice",
    "Outcome",
    "Returned",
    "UndoReport",
    "apply_choices",
    "read_choices",
    "undo",
]
