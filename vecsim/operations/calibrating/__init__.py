"""Finding the right threshold: all pairs counted by score, a few labelled, precision estimated."""

from vecsim.operations.calibrating.calibrate import (
    Calibration,
    calibration,
    check_precision,
    pairs_to_label,
)

__all__ = ["Calibration", "calibration", "check_precision", "pairs_to_label"]
