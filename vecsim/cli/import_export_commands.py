"""import and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vecsim.cli.messages import note
from vecsim.cli.options import (
    PATH,
    as_source_options,
    index_argument,
    source_options,
    wait_option,
)


@click.command("import")
@index_argument
@click.option(
    "--features", type=PATH, required=True, help="The vectors: .h5 (dataset data) or .npy."
)
@click.option("--fields", type=PATH, required=True, help="A list, one row for each vector.")
@click.option(
    "--model",
    default="external",
    show_default=True,
    help="What made the vectors: a model of `vecsim models`, or any other name.",
)
@click.option("--weights", type=PATH, help="The weights that made them, if --model is vecsim's.")
@source_options
@wait_option
def import_(
    index: Path,
    features: Path,
    fields: Path,
    model: str,
    weights: Path | None,
    wait: bool,
    **values: Any,
) -> None:
    """Make or grow an index from vectors that exist already.

    The files that ImageSimilarity generated are read as they are: its fields have no header, are
    separated by tabs, and have the id first and the URL last. Any of the options for reading
    lists turns that off.

    \b
    Examples:
      vecsim import indexes/test1 --features _test1_feature.h5 --fields _test1_fields.csv
      vecsim import indexes/own --features clip.npy --fields pictures.csv --model clip-b32
    """
    from vecsim.operations.requests import ModelChoice
    from vecsim.operations.vector_files import VectorFiles, import_vectors
    from vecsim.sources import SourceOptions

    options = as_source_options(values)
    files = VectorFiles(features, fields, None if options == SourceOptions() else options)
    count = import_vectors(index, files, ModelChoice(model, weights), wait=wait)
    note(f"{index}: {count:,} vectors added.")


@click.command()
@index_argument
@click.option("--features", type=PATH, required=True, help="Write the vectors here: .h5 or .npy.")
@click.option("--fields", type=PATH, required=True, help="Write id, fields and URL here.")
def export(index: Path, features: Path, fields: Path) -> None:
    """Write the vectors and fields of an index to two files.

    ImageSimilarity reads them as its own, and `vecsim import` reads them back.

    \b
    Example:
      vecsim export indexes/test1 --features _test1_feature.h5 --fields _test1_fields.csv
    """
    from vecsim.operations.vector_files import export_vectors

    count = export_vectors(index, features, fields)
    note(f"{features}, {fields}: {count:,} vectors.")
