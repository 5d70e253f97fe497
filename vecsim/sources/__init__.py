"""Sources: lists of images (CSV, TSV, JSON, Parquet, standard input), folders and pictures."""

from vecsim.sources.cells import IMAGE_SUFFIXES
from vecsim.sources.columns import FAILURE_COLUMNS
from vecsim.sources.folders import list_images, url_of_file
from vecsim.sources.frames import (
    PictureRow,
    collected,
    frame_refs,
    is_frame,
    open_frame,
    picture_rows,
)
from vecsim.sources.id_lists import DecidedPair, IdList, read_cells, read_decided_pairs, read_ids
from vecsim.sources.list_start import unique_names
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
    "PictureRow",
    "Reading",
    "SourceOptions",
    "check_name",
    "collected",
    "copy_source",
    "count_refs",
    "frame_refs",
    "is_frame",
    "list_images",
    "open_frame",
    "peek_fields",
    "picture_rows",
    "read_cells",
    "read_decided_pairs",
    "read_ids",
    "read_source",
    "refs_of",
    "source_name",
    "source_path",
    "unique_names",
    "url_of_file",
]
