"""Sources: lists of images (CSV, TSV, JSON, Parquet, standard input), folders and pictures."""

from vecsim.sources.cells import IMAGE_SUFFIXES
from vecsim.sources.columns import FAILURE_COLUMNS
from vecsim.sources.folders import list_images
from vecsim.sources.id_lists import DecidedPair, IdList, read_cells, read_decided_pairs, read_ids
from vecsim.sources.options import SourceOptions
from vecsim.sources.reader import (
    check_name,
    count_refs,
    peek_fields,
    read_source,
    refs_of,
    source_name,
    source_path,
)
from vecsim.sources.reading import Reading
from vecsim.sources.streams import copy_source

__all__ = [
    "FAILURE_COLUMNS",
    "IMAGE_SUFFIXES",
    "DecidedPair",
    "IdList",
    "Reading",
    "SourceOptions",
    "check_name",
    "copy_source",
    "count_refs",
    "list_images",
    "peek_fields",
    "read_cells",
    "read_decided_pairs",
    "read_ids",
    "read_source",
    "refs_of",
    "source_name",
    "source_path",
]
