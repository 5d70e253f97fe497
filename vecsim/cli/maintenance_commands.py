"""remove, info, failures, verify, repair, compact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import INTERRUPTED, SOME_FAILED, counted, note
from vecsim.cli.options import (
    as_run_options,
    as_work_options,
    index_argument,
    output_options,
    wait_option,
    work_options,
)
from vecsim.cli.progress import running

if TYPE_CHECKING:
    from vecsim.index.verify import Problem


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
    from vecsim.operations import maintenance
    from vecsim.sources import read_source

    if bool(ids) == bool(source):
        raise click.UsageError("say which images: ids, or --from SOURCE.")
    wanted = [ref.id for ref in read_source(source)] if source else list(ids)
    count = maintenance.remove(index, wanted, missing_ok=missing_ok, wait=wait)
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

    from vecsim.operations import maintenance

    found = maintenance.info(index)
    if as_json:
        click.echo(json.dumps(asdict(found), default=str, indent=2))
        return
    threshold = "none; say one with --threshold"
    if found.threshold is not None:
        whose = "the index's own" if found.own_threshold else "its model's"
        threshold = f"{found.threshold} ({whose})"
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
    if found.warnings:
        lines["warnings"] = ", ".join(f"{n:,} x {what}" for what, n in found.warnings.items())
    for name, value in lines.items():
        click.echo(f"{name + ':':<11}{value}")
    if found.shared:
        click.echo("the same picture in many images (left out by match --skip-placeholders N):")
    for shared in found.shared:
        more = ", …" if shared.urls > len(shared.examples) else ""
        urls = counted(shared.urls, "URL")
        click.echo(f"  {shared.images:,} images, {urls}: {', '.join(shared.examples)}{more}")


@click.command()
@index_argument
@click.option(
    "--warnings",
    is_flag=True,
    help="List instead what the decoder complained about in images that it could decode.",
)
@output_options
def failures(index: Path, warnings: bool, format_: str | None, output: Path | None) -> None:
    """List the images that could not be had, and why.

    `vecsim add` takes the list as it is, for instance after somebody corrected its URLs. An image
    that failed in a refresh is listed and is still in the index, as it was.

    \b
    Examples:
      vecsim failures indexes/shop
      vecsim failures indexes/shop --output failed.csv
      vecsim failures indexes/shop --warnings
    """
    from vecsim.operations import maintenance
    from vecsim.render import failure_columns, failure_rows, write_rows

    if warnings:
        write_rows(["id", "url", "warning"], maintenance.warnings(index), format_, output)
        return
    fields, found = maintenance.failures(index)
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
    from vecsim.operations import maintenance

    problems = list(maintenance.verify(index, samples=samples))
    _list(problems)
    if problems:
        found = counted(len(problems), "problem")
        click.echo(
            f"Error: {index}: {found} found. Set aside what is damaged and keep the rest with: "
            f"vecsim repair {index}",
            err=True,
        )
        return 1
    note(f"{index}: all is well.")
    return 0


def _list(problems: list[Problem]) -> None:
    for problem in problems:
        # Where opening a file was refused, that error names the file itself.
        what = problem.what.removeprefix(f"{problem.file}: ")
        click.echo(f"{problem.file}: {what}")


@click.command()
@index_argument
@wait_option
def repair(index: Path, wait: bool) -> int:
    """Set aside what is damaged in an index and keep the rest.

    Damaged files are moved to the index's folder `damaged`, not deleted. Images whose vectors were
    in them become failures of kind `lost`: `vecsim retry`, or the command that built the index,
    fetches them again.

    \b
    Example:
      vecsim repair indexes/shop
    """
    from vecsim.operations import maintenance

    done = maintenance.repair(index, wait=wait)
    _list(done.problems)
    if not done.problems:
        note(f"{index}: nothing is damaged.")
        return 0
    note(f"{index}: {counted(done.kept, 'image')} kept.")
    if done.folder.exists():
        note(f"The damaged files are in {done.folder}; delete it when you no longer need it.")
    if done.nameless:
        note(
            f"{counted(done.nameless, 'vector')} dropped, since the catalog no longer tells of "
            f"which images: the command that built the index fetches these again."
        )
    if done.lost:
        note(
            f"{counted(done.lost, 'image')} lost: `vecsim failures {index}` lists them, "
            f"`vecsim retry {index}` fetches them again."
        )
    if done.thumbnails_lost:
        note(f"Thumbnails are gone: `vecsim thumbnails {index}` gets them again.")
    return SOME_FAILED if done.lost or done.nameless else 0


@click.command()
@index_argument
@wait_option
def compact(index: Path, wait: bool) -> None:
    """Merge small files and give the space of removed images back.

    \b
    Example:
      vecsim compact indexes/shop
    """
    from vecsim.operations import maintenance

    before = maintenance.info(index)
    maintenance.compact(index, wait=wait)
    after = maintenance.info(index)
    note(
        f"{index}: {counted(before.segments, 'segment')} became {after.segments}, "
        f"{before.byte_count / 1e6:,.1f} MB became {after.byte_count / 1e6:,.1f} MB."
    )


@click.command()
@index_argument
@wait_option
@work_options
def thumbnails(index: Path, **values: Any) -> int:
    """Fetch the small pictures that an index lacks.

    Indexes keep them from the start unless --no-thumbnails was said; this gets those that are
    missing, from the images' addresses. An address that shows another picture by now is left out.

    \b
    Example:
      vecsim thumbnails indexes/shop
    """
    from vecsim.operations.thumbnails import fetch_thumbnails

    work = as_work_options(values)
    with running() as run:
        done = fetch_thumbnails(index, as_run_options({**values, "work": work}, run))
    for failure in done.failures[:10]:
        name = failure.ref.url
        click.echo(f"{name}: {failure.kind}: {failure.message.removeprefix(f'{name}: ')}", err=True)
    if len(done.failures) > 10:
        click.echo(f"… and {len(done.failures) - 10:,} more.", err=True)
    parts = [f"{counted(done.added, 'thumbnail')} added"]
    if done.failures:
        parts.append(f"{counted(len(done.failures), 'image')} could not be had")
    if done.without_address:
        parts.append(f"{counted(done.without_address, 'image')} without an address")
    note(f"{index}: {', '.join(parts)}.")
    if done.interrupted:
        return INTERRUPTED
    return SOME_FAILED if done.failures else 0
