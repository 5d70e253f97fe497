"""The command embed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import INTERRUPTED, failure_line, note, write_first
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.options import (
    PATH,
    engine_options,
    model_options,
    source_options,
    work_options,
)
from vecsim.cli.parameters import command, complete_files, options_under
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import reading_of, run_facts, running, status_of
from vecsim.cli.source_notes import note_sources, probable_cause

if TYPE_CHECKING:
    from vecsim.operations.embedding import VectorOutput
    from vecsim.records import AddReport, Failure

_output = options_under("Output options")


@command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, shell_complete=complete_files)
@_output(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE.npy|FILE.parquet",
    help="Write the vectors to this file, complete or not at all.",
)
@_output(
    "--failures",
    "failures_file",
    type=PATH,
    metavar="FILE.csv",
    help="Write the images that could not be loaded to this file, with the reasons.",
)
@source_options
@model_options
@work_options
@engine_options
def embed(sources: tuple[str, ...], output: Path, failures_file: Path | None, **values: Any) -> int:
    """Write the vectors of images to a file; no index is made.

    A vector is float32, has length 1 and is the one that an index of the model would store. There
    is one for each image that can be loaded, in the order of the list; the others are listed below
    and in the file of --failures, and the exit status is 3.

    FILE.parquet has the columns id, url, vector and the kept columns of the list. With FILE.npy,
    FILE.ids.csv has them: its first row below the heading belongs to the first vector.

    \b
    Examples:
      vecsim embed shop.csv -o shop.parquet
      vecsim embed ~/Pictures -o pictures.npy --exclude thumbnails
      vecsim embed shop.csv --model phash --columns title -o shop.npy --failures failed.csv
    """
    from vecsim.operations.embedding import VectorOutput, embed_to_file
    from vecsim.render import choose_format
    from vecsim.sources import count_refs, refs_of

    if not sources:
        raise click.UsageError("Give a list or a folder of images.")
    written = VectorOutput(output)
    if failures_file is not None:
        choose_format(None, failures_file)  # raises for a suffix that is none
    _check_files([*written.files, *([failures_file] if failures_file else [])], sources)
    options, work = as_source_options(values), as_work_options(values)
    failures: list[Failure] = []
    try:
        with running(total=lambda: count_refs(list(sources), options)) as run:
            reading = reading_of(run)
            refs = refs_of(list(sources), options, None, reading)
            how = as_run_options(values, work, run)
            report = embed_to_file(refs, written, how, failures.append)
    except KeyboardInterrupt:
        note("Interrupted: no file was written.")
        return INTERRUPTED
    report.notes = reading.notes
    _note_result(sources, written, report, failures)
    if failures_file is not None:
        _write_failures(failures_file, failures)
    return status_of(report)


def _check_files(files: list[Path], sources: tuple[str, ...]) -> None:
    """Raise a usage error where a file that is to be written is a source, or is named twice."""
    for position, file in enumerate(files):
        for source in sources:
            if file.exists() and Path(source).exists() and file.samefile(source):
                raise click.UsageError(f"{file} is read as a source: name another file to write.")
        if os.path.realpath(file) in map(os.path.realpath, files[:position]):
            raise click.UsageError(f"{file} would be written twice: name another file.")


def _note_result(
    sources: tuple[str, ...], written: VectorOutput, report: AddReport, failures: list[Failure]
) -> None:
    """Write what the run did: failures, counts, files."""
    from vecsim.render.progress import failing_hosts

    note_sources(report.notes)
    facts = run_facts(", ".join(sources), written.path, report)
    files = [str(file) for file in written.files]
    current_run().add("runs", {"files": files} | {n: facts[n] for n in facts if n != "index"})
    write_first([failure_line(failure) for failure in failures])
    if cause := probable_cause(report):
        note(cause)
    for line in failing_hosts(report):
        note(line)
    failed = f", {report.failed:,} failed" if report.failed else ""
    note(f"{', '.join(map(str, written.files))}: {report.added:,} vectors{failed}.")


def _write_failures(file: Path, failures: list[Failure]) -> None:
    """Write a list of failures that can be read again as a list of images."""
    from vecsim.render import write_rows
    from vecsim.render.columns import failure_columns, failure_rows

    names = list(dict.fromkeys(name for failure in failures for name in failure.ref.fields))
    write_rows(failure_columns(names), failure_rows(failures, names), None, file)
