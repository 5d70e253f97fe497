"""remove, info, failures, verify, compact."""

from __future__ import annotations

from pathlib import Path

import click

from vecsim.cli.options import index_argument, output_options, wait_option
from vecsim.cli.running import counted, note


@click.command()
@index_argument
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--from", "source", metavar="SOURCE", help="Take the ids from a CSV's id column.")
@click.option("--missing-ok", is_flag=True, help="Pass over ids that are not there.")
@wait_option
def remove(
    index: Path, ids: tuple[str, ...], source: str | None, missing_ok: bool, wait: bool
) -> None:
    """Remove images from an index, by id.

    \b
    Examples:
      vecsim remove indexes/shop 4711 4712
      vecsim remove indexes/shop --from sold-out.csv
    """
    from vecsim.operations import care
    from vecsim.sources import read_source

    if bool(ids) == bool(source):
        raise click.UsageError("say which images: ids, or --from SOURCE.")
    wanted = [ref.id for ref in read_source(source)] if source else list(ids)
    count = care.remove(index, wanted, missing_ok=missing_ok, wait=wait)
    note(f"{index}: {count:,} removed.")


@click.command()
@index_argument
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(index: Path, as_json: bool) -> None:
    """Tell what an index holds and which model made it.

    \b
    Example:
      vecsim info indexes/shop
    """
    import json
    from dataclasses import asdict

    from vecsim.operations import care

    found = care.info(index)
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    threshold = "none; say one with --threshold" if found.threshold is None else found.threshold
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.failures.items())
    lines = {
        "index": found.path,
        "images": f"{found.images:,}",
        "model": found.fingerprint,
        "threshold": threshold,
        "fields": ", ".join(found.fields) or "none",
        "failures": f"{sum(found.failures.values()):,}" + (f" ({kinds})" if kinds else ""),
        "segments": f"{found.segments:,}"
        + (f" ({found.removed:,} removed images still in them)" if found.removed else ""),
        "size": f"{found.byte_count / 1e6:,.1f} MB",
    }
    for name, value in lines.items():
        click.echo(f"{name + ':':<11}{value}")


@click.command()
@index_argument
@output_options
def failures(index: Path, format_: str | None, output: Path | None) -> None:
    """List the images that could not be had, and why.

    `vecsim add` takes the list as it is, for instance after somebody corrected its URLs.

    \b
    Examples:
      vecsim failures indexes/shop
      vecsim failures indexes/shop --output failed.csv
    """
    from vecsim.operations import care
    from vecsim.render import failure_columns, failure_rows, write_rows

    fields, found = care.failures(index)
    write_rows(failure_columns(fields), failure_rows(found, fields), format_, output)


@click.command()
@index_argument
@click.option(
    "--samples",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Random blocks of images to match in another way.",
)
def verify(index: Path, samples: int) -> int:
    """Check that an index is whole and its search exact.

    Every file is compared with its checksum, every image has its vector, and random images are
    matched with the whole index by the full matrix in float64.

    \b
    Example:
      vecsim verify indexes/shop
    """
    from vecsim.operations import care

    problems = list(care.verify(index, samples=samples))
    for problem in problems:
        # Where opening a file was refused, that error names the file itself.
        what = problem.what.removeprefix(f"{problem.file}: ")
        click.echo(f"{problem.file}: {what}")
    if problems:
        click.echo(f"Error: {index}: {counted(len(problems), 'problem')} found.", err=True)
        return 1
    note(f"{index}: all is well.")
    return 0


@click.command()
@index_argument
@wait_option
def compact(index: Path, wait: bool) -> None:
    """Merge small files and give the space of removed images back.

    \b
    Example:
      vecsim compact indexes/shop
    """
    from vecsim.operations import care

    before = care.info(index)
    care.compact(index, wait=wait)
    after = care.info(index)
    note(
        f"{index}: {counted(before.segments, 'segment')} became {after.segments}, "
        f"{before.byte_count / 1e6:,.1f} MB became {after.byte_count / 1e6:,.1f} MB."
    )
