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
    """See it work: match six pictures with three of them.

    A web server on this machine serves nine pictures; two CSV files list their URLs. The demo
    builds an index of each, matches them, and prints the pairs and all scores.

    \b
    Example:
      vecsim demo
    """
    from vecsim.demo import run_demo

    return run_demo(model, weights, keep, say=click.echo, note=note)
