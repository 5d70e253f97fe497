"""demo."""

from __future__ import annotations

from pathlib import Path

import click

from vecsim.cli.options import PATH, model_options
from vecsim.cli.running import note


@click.command()
@model_options
@click.option(
    "--keep", type=PATH, metavar="FOLDER", help="Keep the two indexes here [default: thrown away]."
)
def demo(model: str, weights: Path | None, keep: Path | None) -> int:
    """Match six pictures with three, as a shop would: over HTTP, from two CSV files.

    \b
    Example:
      vecsim demo
    """
    from vecsim.demo import run_demo

    return run_demo(model, weights, keep, say=click.echo, note=note)
