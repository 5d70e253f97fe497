"""Sources: where references to images come from (CSV, TSV, JSON lines, folders, stdin)."""

from vecsim.sources.columns import FAILURE_COLUMNS
from vecsim.sources.folder import IMAGE_SUFFIXES, list_images
from vecsim.sources.options import SourceOptions
from vecsim.sources.reader import name_of, read_source

__all__ = [
    "FAILURE_COLUMNS",
    "IMAGE_SUFFIXES",
    "SourceOptions",
    "list_images",
    "name_of",
    "read_source",
]
