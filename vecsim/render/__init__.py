"""Rendering: tables in each output format, the HTML report, the calibration curve, progress.

Importing this package is cheap: a format's library, such as pyarrow, is imported when it is used.
"""

from vecsim.render.columns import (
    Column,
    change_columns,
    change_rows,
    failure_columns,
    failure_rows,
    match_columns,
)
from vecsim.render.formats import FORMATS, MatchWriter, choose_format, open_writer, write_rows
from vecsim.render.progress import (
    Progress,
    summarize_refresh,
    summarize_run,
    summarize_sync,
)
from vecsim.render.table import format_matrix

__all__ = [
    "FORMATS",
    "Column",
    "MatchWriter",
    "Progress",
    "change_columns",
    "change_rows",
    "choose_format",
    "failure_columns",
    "failure_rows",
    "format_matrix",
    "match_columns",
    "open_writer",
    "summarize_refresh",
    "summarize_run",
    "summarize_sync",
    "write_rows",
]
