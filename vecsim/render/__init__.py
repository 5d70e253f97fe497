"""Rendering: matches and other tables as table, CSV, JSON lines or Parquet, and progress.

Importing this package is cheap; rich and pyarrow are imported by what needs them.
"""

from vecsim.render.columns import Column, failure_columns, failure_rows, match_columns
from vecsim.render.progress import Progress
from vecsim.render.summary import refreshed, summary
from vecsim.render.table import format_matrix
from vecsim.render.writer import FORMATS, MatchWriter, choose_format, open_writer, write_rows

__all__ = [
    "FORMATS",
    "Column",
    "MatchWriter",
    "Progress",
    "choose_format",
    "failure_columns",
    "failure_rows",
    "format_matrix",
    "match_columns",
    "open_writer",
    "refreshed",
    "summary",
    "write_rows",
]
