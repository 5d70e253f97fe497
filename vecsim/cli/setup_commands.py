"""The commands that use no index: demo, models, list-images, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vecsim.cli.hints import WORDINGS
from vecsim.cli.messages import counted, note
from vecsim.cli.option_groups import command
from vecsim.cli.options import PATH, model_options, output_options

if TYPE_CHECKING:
    from vecsim.operations.doctor import Finding


@command()
@output_options
def models(format_: str | None, output: Path | None) -> None:
    """List the models, their weights and default thresholds.

    copies_found is the share of edited copies that a model finds at a precision of 99.9 %, measured
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


@command("list-images")
@click.argument("folder", type=PATH)
@output_options
def list_images(folder: Path, format_: str | None, output: Path | None) -> None:
    """List the images of a folder as a CSV to edit and build from.

    Subfolders are included; hidden files and folders are not.

    \b
    Example:
      vecsim list-images ~/Pictures --output pictures.csv
    """
    from vecsim.errors import InputError
    from vecsim.render import write_rows
    from vecsim.sources import read_source

    if folder.is_file():
        raise InputError(f"{folder} is a file; name a folder.")
    refs = read_source(folder)
    if output is None:
        format_ = format_ or "csv"  # on a terminal too, for copying
    write_rows(["id", "url"], ([ref.id, ref.url] for ref in refs), format_, output)


@command()
@model_options
@click.option(
    "--keep",
    type=PATH,
    metavar="FOLDER",
    help="Keep the indexes in this folder [default: deleted].",
)
def demo(model: str, weights: Path | None, keep: Path | None) -> int:
    """Run a one-minute demo: match two small lists of images.

    A local web server serves nine images; two CSV files list their URLs. The demo builds an index
    of each list, matches them, and prints the pairs and all scores.

    \b
    Example:
      vecsim demo
    """
    from vecsim.demo import run_demo
    from vecsim.operations.requests import ModelChoice

    return run_demo(ModelChoice(model, weights), keep, say=click.echo, note=note)


@command()
@click.argument("folder", type=PATH, required=False)
@click.option("--network", is_flag=True, help="Test whether weights can be downloaded.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def doctor(ctx: click.Context, folder: Path | None, network: bool, as_json: bool) -> None:
    """Check the installation and this machine.

    Each warning comes with advice. FOLDER is the folder for indexes [default: VECSIM_INDEXES, else
    indexes/]; its write speed is measured with a file of 32 MB, which is deleted afterwards. Only
    --network uses the internet.

    \b
    Examples:
      vecsim doctor
      vecsim doctor /srv/indexes --json
    """
    from vecsim.cli.environment import known_variables
    from vecsim.operations.doctor import examine
    from vecsim.operations.source_indexes import indexes_folder

    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    findings = examine(folder or indexes_folder(), known_variables(group), network=network)
    if as_json:
        rows = [_as_json(found) for found in findings]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    warnings = 0
    for found in findings:
        shown = _as_json(found)
        click.echo(f"{found.status:<8} {found.topic + ':':<14} {shown['text']}")
        if found.advice:
            warnings += 1
            click.echo(f"{'':<8} {'':<14} -> {shown['advice']}")
    note(f"\n{counted(warnings, 'warning')}")


def _as_json(found: Finding) -> dict[str, str]:
    """A finding with its hint in the words of the command line."""
    text, advice = found.text, found.advice
    if found.hint is not None:
        phrase = found.hint.phrase(WORDINGS)
        if advice:
            advice = f"{advice} {phrase}"
        else:
            text = f"{text} ({phrase})"
    return {"topic": found.topic, "text": text, "advice": advice, "status": found.status}
