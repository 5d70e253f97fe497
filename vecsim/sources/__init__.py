"""Sources: lists of images (CSV, TSV, JSON lines, standard input) and folders of images."""

from vecsim.sources.columns import FAILURE_COLUMNS, SourceOptions
from vecsim.sources.id_lists import DecidedPair, IdList, read_decided_pairs, read_ids
from vecsim.sources.reader import (
    IMAGE_SUFFIXES,
    list_images,
    read_source,
    source_name,
    source_path,
)

__all__ = [
    "FAILURE_COLUMNS",
    "IMAGE_SUFFIXES",
    "DecidedPair",
    "IdList",
    "SourceOptions",
    "list_images",
    "read_decided_pairs",
    "read_ids",
    "read_source",
    "source_name",
    "source_path",
]
