"""models and list-images."""

from __future__ import annotations

from pathlib import Path

import click

from vecsim.cli.options import PATH, output_options


@click.command()
@output_options
def models(format_: str | None, output: Path | None) -> None:
    """List the models, their weights and usual thresholds.

    copies_found is the share of edited copies that a model finds at 99.9 % precision, as measured
    by benchmarks/quality.py.

    \b
    Example:
      vecsim models
    """
    from vecsim.models import list_models
    from vecsim.render import Column, write_rows

    columns = [
        Column("name"),
        Column("dim", "integer"),
        Column("size", "integer"),
        Column("threshold", "number"),
        Column("speed"),
        Column("copies_found", "number"),
        Column("weights"),
        Column("description"),
    ]
    rows = ([getattr(model, column.name) for column in columns] for model in list_models())
    write_rows(columns, rows, format_, output)


@click.command("list-images")
@click.argument("folder", type=PATH)
@output_options
def list_images(folder: Path, format_: str | None, output: Path | None) -> None:
    """List the images of a folder as a CSV to edit and build from.

    Subfolders are listed too; hidden files and folders are not.

    \b
    Example:
      vecsim list-images ~/Pictures --output pictures.csv
    """
    from vecsim.errors import InputError
    from vecsim.render import write_rows
    from vecsim.sources import read_source

    if folder.is_file():
        raise InputError(f"{folder}: a file, and list-images takes a folder.")
    refs = read_source(folder)
    if output is None:
        format_ = format_ or "csv"  # on a terminal too: it is to be copied
    write_rows(["id", "url"], ([ref.id, ref.url] for ref in refs), format_, output)
