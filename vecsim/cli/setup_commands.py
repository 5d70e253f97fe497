"""The commands that are given no index: demo, models, list-images, cache, doctor, completion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from vecsim.cli.messages import SOME_FAILED, WORDINGS, counted, note
from vecsim.cli.next_steps import note_next
from vecsim.cli.option_objects import as_model_choice
from vecsim.cli.options import PATH, folder_options, model_options, output_options
from vecsim.cli.parameters import command
from vecsim.cli.source_notes import note_sources

if TYPE_CHECKING:
    from vecsim.operations.doctor import Finding
    from vecsim.operations.source_cache import CachedIndex


@command()
@output_options
def models(format_: str | None, output: Path | None) -> None:
    """List the models, their weights and default thresholds.

    copies_found is the share of edited copies that a model finds at a precision of 99.9 %, measured
    by benchmarks/quality.py. oriented_thresholds are those of --orientations where another one is
    used than `threshold`.

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
        Column("oriented_thresholds"),
    ]
    rows = ([getattr(model, column.name) for column in columns] for model in list_models())
    write_rows(columns, rows, format_, output)
    note_next("vecsim build-index INDEX SOURCE --model NAME uses one of them.", format_, output)


@command("list-images")
@click.argument("folder", type=PATH)
@folder_options
@output_options
def list_images(
    folder: Path,
    exclude: tuple[str, ...],
    all_files: bool,
    format_: str | None,
    output: Path | None,
) -> int:
    """List the images of a folder as a CSV to edit and build from.

    Subfolders are included; hidden files and folders are not, nor those that a NAS or Windows make
    for thumbnails and deleted files.

    \b
    Example:
      vecsim list-images ~/Pictures --output pictures.csv
    """
    from vecsim.errors import InputError
    from vecsim.render import write_rows
    from vecsim.sources import Reading, SourceOptions, read_source

    if folder.is_file():
        raise InputError(f"{folder} is a file; name a folder.")
    reading = Reading()
    refs = read_source(folder, SourceOptions(exclude=exclude, all_files=all_files), reading)
    if output is None:
        format_ = format_ or "csv"  # on a terminal too, for copying
    write_rows(["id", "url"], ([ref.id, ref.url] for ref in refs), format_, output)
    note_sources(reading.notes)
    return SOME_FAILED if reading.notes.unreadable else 0


@command()
@model_options
@click.option(
    "--keep",
    type=PATH,
    metavar="FOLDER",
    help="Keep the indexes in this folder [default: deleted].",
)
def demo(keep: Path | None, **values: Any) -> int:
    """Run a one-minute demo: match two small lists of images.

    A local web server serves nine images; two CSV files list their URLs. The demo builds an index
    of each list, matches them, and prints the pairs and all scores.

    \b
    Example:
      vecsim demo
    """
    from vecsim.demo import run_demo

    return run_demo(as_model_choice(values), keep, say=click.echo, note=note)


_CACHE_COLUMNS = ("index", "source", "model", "images", "megabytes", "used", "holds")


@command()
@click.argument("action", type=click.Choice(["list", "clean"]), default="list")
@click.option("--all", "every", is_flag=True, help="Clean: also those whose source still exists.")
@click.option("--older-than", metavar="WHEN", help="Clean: only those not used since.")
@click.option("--force", is_flag=True, help="Clean: also those that hold decisions or a threshold.")
@output_options
def cache(
    action: str,
    every: bool,
    older_than: str | None,
    force: bool,
    format_: str | None,
    output: Path | None,
) -> None:
    """List or delete the indexes that `match` keeps of its sources.

    `clean` deletes the indexes of sources that are no longer there. An index that holds decisions
    about pairs or a calibrated threshold is kept unless --force is given. The images of a deleted
    one are downloaded again when its source is matched again.

    \b
    Examples:
      vecsim cache
      vecsim cache clean
      vecsim cache clean --all --older-than 30d
    """
    from vecsim.operations.source_cache import cached_indexes
    from vecsim.render import write_rows

    if action == "clean":
        _clean_cache(every, older_than, force)
        return
    write_rows(_CACHE_COLUMNS, map(_cache_row, cached_indexes()), format_, output)
    note_next("vecsim cache clean deletes those whose source is gone.", format_, output)


def _cache_row(index: CachedIndex) -> list[str | int | float | None]:
    size = round(index.byte_count / 1e6, 1)
    holds = index.damage or ", ".join(_work(index))
    used = index.used_at[:16].replace("T", " ")
    return [str(index.path), index.source, index.model, index.images, size, used, holds]


def _work(index: CachedIndex) -> list[str]:
    """Describe what an index holds that only a person can make again."""
    work = [counted(index.decisions, "decision")] if index.decisions else []
    if index.threshold is not None:
        work.append(f"threshold {index.threshold:g}")
    return work


def _clean_cache(every: bool, older_than: str | None, force: bool) -> None:
    from vecsim.errors import IndexLockedError
    from vecsim.operations.requests import parse_timestamp
    from vecsim.operations.source_cache import cached_indexes, delete_cached

    before = parse_timestamp(older_than) if older_than is not None else None
    deleted = freed = 0
    for index in cached_indexes():
        if not (every or index.is_orphan) or (before is not None and index.used_at >= before):
            continue
        if index.holds_work and not force:
            note(f"{index.path}: kept, holds {' and '.join(_work(index))}. --force deletes it too.")
            continue
        try:
            delete_cached(index)
        except IndexLockedError:
            note(f"{index.path}: kept, another process uses it.")
            continue
        lost = f", with {' and '.join(_work(index))}" if index.holds_work else ""
        note(f"{index.path}: deleted{lost}.")
        deleted += 1
        freed += index.byte_count
    note(f"{deleted:,} index{'' if deleted == 1 else 'es'} deleted, {freed / 1e6:,.1f} MB.")


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
    from vecsim.operations.kept_folder import indexes_folder

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


_INSTALLATION = {
    "bash": (
        "~/.local/share/bash-completion/completions/vecsim",
        "New shells use it (the package bash-completion is required); for this shell: "
        'eval "$(vecsim completion bash)"',
    ),
    "zsh": (
        "~/.zfunc/_vecsim",
        "Add to ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit && compinit",
    ),
    "fish": ("~/.config/fish/completions/vecsim.fish", "New shells use it."),
}


@command()
@click.argument("shell", type=click.Choice(list(_INSTALLATION)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, models and indexes. The script goes to standard output, the
    instructions to install it to standard error.

    \b
    Examples:
      vecsim completion bash
      vecsim completion zsh
    """
    group = ctx.find_root().command
    found = get_completion_class(shell)
    assert found is not None
    script = found(group, {}, "vecsim", "_VECSIM_COMPLETE").source_template % {
        "complete_func": "_vecsim_completion",
        "complete_var": "_VECSIM_COMPLETE",
        "prog_name": "vecsim",
    }
    click.echo(script)
    path, instructions = _INSTALLATION[shell]
    note(f"Install it with: vecsim completion {shell} > {path}\n{instructions}")
