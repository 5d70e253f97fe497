"""Sources: lists of images (CSV, TSV, JSON, Parquet, standard input), folders and pictures.

Names are imported when they are first used: a search of indexes needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecsim.lazy_names import lazy_names

if TYPE_CHECKING:
    from vecsim.sources.cells import IMAGE_SUFFIXES
    from vecsim.sources.column_names import unique_names
    from vecsim.sources.columns import FAILURE_COLUMNS
    from vecsim.sources.folders import list_images, url_of_file
    from vecsim.sources.formula_guard import BYTE_ORDER_MARK, guard_formulas
    from vecsim.sources.frames import (
        PictureRow,
        collected,
        frame_refs,
        is_frame,
        open_frame,
        picture_rows,
    )
    from vecsim.sources.id_lists import (
        DecidedPair,
        IdList,
        read_cells,
        read_decided_pairs,
        read_ids,
    )
    from vecsim.sources.options import SourceOptions
    from vecsim.sources.reader import (
        check_name,
        count_refs,
        is_list_or_folder,
        peek_fields,
        read_source,
        refs_of,
        source_name,
        source_path,
    )
    from vecsim.sources.reading import Reading
    from vecsim.sources.streams import copy_source

_HOMES = {
    "BYTE_ORDER_MARK": "formula_guard",
    "DecidedPair": "id_lists",
    "FAILURE_COLUMNS": "columns",
    "IMAGE_SUFFIXES": "cells",
    "IdList": "id_lists",
    "PictureRow": "frames",
    "Reading": "reading",
    "SourceOptions": "options",
    "check_name": "reader",
    "collected": "frames",
    "copy_source": "streams",
    "count_refs": "reader",
    "frame_refs": "frames",
    "guard_formulas": "formula_guard",
    "is_frame": "frames",
    "is_list_or_folder": "reader",
    "list_images": "folders",
    "open_frame": "frames",
    "peek_fields": "reader",
    "picture_rows": "frames",
    "read_cells": "id_lists",
    "read_decided_pairs": "id_lists",
    "read_ids": "id_lists",
    "read_source": "reader",
    "refs_of": "reader",
    "source_name": "reader",
    "source_path": "reader",
    "unique_names": "column_names",
    "url_of_file": "folders",
}

__all__ = [
    "BYTE_ORDER_MARK",
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
    "guard_formulas",
    "is_frame",
    "is_list_or_folder",
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

__getattr__ = lazy_names(__name__, _HOMES)
