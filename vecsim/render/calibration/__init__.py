"""What a calibration found: rows, a page with its curve or a picture of it, a page to label on."""

from vecsim.render.calibration.curve import Curve, write_curve
from vecsim.render.calibration.labelling import write_label_page
from vecsim.render.calibration.rows import calibration_columns, calibration_rows

__all__ = [
    "Curve",
    "calibration_columns",
    "calibration_rows",
    "write_curve",
    "write_label_page",
]
