"""The commands that look after an index: remove, info, failures, verify, repair, compact, …"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vecsim.cli.messages import SOME_FAILED, counted, in_shell, note, warn
from vecsim.cli.next_steps import note_next
from vecsim.cli.option_objects import as_id_list_options
from vecsim.cli.options import id_list_options, index_argument, output_options
from vecsim.cli.parameters import command
from vecsim.cli.run_record import current_run
from vecsim.cli.runs import with_counts
from vecsim.cli.wait_options import wait_option

if TYPE_CHECKING:
    from vecsim.index.verify import Problem
    from vecsim.operations.maintenance import IndexInfo


@command()
@index_argument
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--from", "source", metavar="LIST", help="Take the ids from a list.")
@click.option("--missing-ok", is_flag=True, help="Ignore unknown ids.")
@id_list_options
@wait_option
def remove(
    index: Path, ids: tuple[str, ...], source: str | None, missing_ok: bool, **values: Any
) -> int:
    """Remove images from an index by id. No picture file is touched.

    LIST needs a column of ids only, with or without a name: it is the one whose cells the index
    knows. If it has a column `keep`, as the list of `vecsim cluster` has,
    only the rows with keep=no are removed.

    \b
    Examples:
      vecsim remove indexes/shop 4711 4712
      vecsim remove indexes/shop --from sold-out.csv
      vecsim remove indexes/shop --from sold-out.csv --id-column sku --missing-ok
    """
    from vecsim.operations import maintenance
    from vecsim.sources import IdList, read_ids

    if bool(ids) == bool(source):
        raise click.UsageError("name the images: give ids or --from LIST.")
    options = as_id_list_options(values)
    if source:
        with maintenance.known_ids(index) as known:
            listed = read_ids(source, options, known)
    else:
        listed = IdList(list(dict.fromkeys(ids)), [])
    if not listed.ids:
        why = "no row says keep=no" if listed.kept else "it lists no images"
        note(f"{source}: {why}. Nothing was removed.")
        return 0
    count = maintenance.remove(index, listed.ids, missing_ok=missing_ok, wait=values["wait"])
    if not count:
        shown = maintenance.first_ids(listed.ids)
        warn(f"Warning: {index}: no image has any of these ids: {shown}.")
    current_run().facts["removed"] = count
    note(f"{index}: {count:,} removed.")
    if listed.kept:
        note(f"{counted(len(listed.kept), 'image')} of the list stay: keep=yes.")
    # A list of other ids than those of the index is a mistake, --missing-ok or not.
    return 1 if source and not count else 0


@command()
@index_argument
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def info(index: Path, as_json: bool) -> None:
    """Show what an index contains and which model made it.

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
    threshold = "none; give one with --threshold"
    if found.threshold is not None:
        origin = "set for the index" if found.own_threshold else "of its model"
        threshold = f"{found.threshold} ({origin})"
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
    if found.turned or found.orientations != "none":
        stored = min(found.turned.values(), default=0)
        lines["turned"] = f"{found.orientations} ({stored:,} images stored in all of them)"
    if found.warnings:
        lines["warnings"] = ", ".join(f"{n:,} x {what}" for what, n in found.warnings.items())
    if found.uniform:
        more = ", …" if found.uniform > len(found.uniform_examples) else ""
        examples = ", ".join(found.uniform_examples) + more
        lines["uniform"] = (
            f"{found.uniform:,} pictures of one colour, left out of matches: {examples}"
        )
    for name, value in lines.items():
        click.echo(f"{name + ':':<11}{value}")
    _write_sources(found)
    if found.shared:
        click.echo("pictures shared by many images (left out by match --skip-placeholders N):")
    for shared in found.shared:
        more = ", …" if shared.urls > len(shared.examples) else ""
        urls = counted(shared.urls, "URL")
        click.echo(f"  {shared.images:,} images, {urls}: {', '.join(shared.examples)}{more}")


def _write_sources(found: IndexInfo) -> None:
    """Write the sources of an index, and how many images came from none."""
    click.echo(f"{'sources:':<11}{len(found.sources):,}")
    for source in found.sources:
        place = f" ({source.place})" if source.place not in (source.name, "-") else ""
        synced = "no sync yet"
        if source.synced_at:
            synced = f"last sync {source.synced_at[:16].replace('T', ' ')} UTC"
        if source.incomplete:
            synced += ", then one that was interrupted"
        click.echo(f"  {source.name}{place}: {counted(source.images, 'image')}, {synced}")
    if found.sources and found.without_source:
        click.echo(f"  of no source: {counted(found.without_source, 'image')}")


@command()
@index_argument
@click.option(
    "--warnings",
    is_flag=True,
    help="List decoder warnings about images that could be decoded instead.",
)
@output_options
def failures(index: Path, warnings: bool, format_: str | None, output: Path | None) -> None:
    """List images that could not be loaded, and why.

    `vecsim add` accepts the list as a source, for instance after you corrected its URLs. An image
    that failed in a refresh is listed, and is still in the index unchanged.

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
    note_next(f"vecsim retry {in_shell(index)} tries them again.", format_, output)


@command()
@index_argument
@click.option(
    "--samples",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Random blocks of images to match by the full matrix.",
)
def verify(index: Path, samples: int) -> int:
    """Check the files of an index and the exactness of its search.

    Compares each file with its checksum, checks that each image has a vector, and compares the
    search for random images with the full score matrix in float64.

    \b
    Example:
      vecsim verify indexes/shop
    """
    from vecsim.operations import maintenance

    problems = with_counts(
        lambda progress: list(maintenance.verify(index, samples=samples, progress=progress))
    )
    current_run().facts["problems"] = [f"{each.file}: {each.what}" for each in problems]
    _list(problems)
    if problems:
        found = counted(len(problems), "problem")
        warn(
            f"Error: {index}: {found} found. Set damaged files aside and keep the rest with: "
            f"vecsim repair {in_shell(index)}"
        )
        return 1
    note(f"{index}: no problems found.")
    return 0


def _list(problems: list[Problem]) -> None:
    for problem in problems:
        # The message of an error on opening a file begins with its name.
        what = problem.what.removeprefix(f"{problem.file}: ")
        click.echo(f"{problem.file}: {what}")


@command()
@index_argument
@wait_option
def repair(index: Path, wait: bool | float) -> int:
    """Set damaged files of an index aside and keep the rest.

    Damaged files are moved to the folder `damaged` in the index, not deleted. Images whose vectors
    are lost become failures of kind `lost`; `vecsim retry`, or the command that built the index,
    fetches them again.

    \b
    Example:
      vecsim repair indexes/shop
    """
    from vecsim.operations import maintenance

    done = maintenance.repair(index, wait=wait)
    counts = {"kept": done.kept, "lost": done.lost, "orphaned": done.orphaned}
    current_run().facts |= {"problems": len(done.problems), **counts}
    _list(done.problems)
    if not done.problems:
        note(f"{index}: nothing is damaged.")
        return 0
    note(f"{index}: {counted(done.kept, 'image')} kept.")
    if done.folder.exists():
        note(f"The damaged files are in {done.folder}; delete it when you do not need it any more.")
    if done.orphaned:
        note(
            f"{counted(done.orphaned, 'vector')} dropped: the rows of their images are lost, and "
            f"the command that built the index fetches these images again."
        )
    if done.lost:
        note(
            f"{counted(done.lost, 'image')} lost: `vecsim failures {in_shell(index)}` lists them, "
            f"`vecsim retry {in_shell(index)}` fetches them again."
        )
    if done.thumbnails_lost:
        note(f"Thumbnails are lost: `vecsim thumbnails {in_shell(index)}` fetches them again.")
    return SOME_FAILED if done.lost or done.orphaned else 0


@command()
@index_argument
@wait_option
def compact(index: Path, wait: bool | float) -> None:
    """Merge small files and free the space of removed images.

    \b
    Example:
      vecsim compact indexes/shop
    """
    from vecsim.operations import maintenance

    before = maintenance.info(index)
    maintenance.compact(index, wait=wait)
    after = maintenance.info(index)
    for name, info in (("before", before), ("after", after)):
        current_run().facts[name] = {"segments": info.segments, "bytes": info.byte_count}
    note(
        f"{index}: {counted(before.segments, 'segment')} became {after.segments}, "
        f"{before.byte_count / 1e6:,.1f} MB became {after.byte_count / 1e6:,.1f} MB."
    )
