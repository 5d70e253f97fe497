"""Click parameters: options under headings in `--help`, completion of values in a shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from vecsim.cli.logs import begin_command
from vecsim.orientations import SETTINGS
from vecsim.render.formats import FORMATS

OF_EVERY_COMMAND = (
    "Every command also takes --quiet (-q), --debug, --log-level, --log-file, --log-format and "
    "--summary: see vecsim --help."
)


class HeadedOption(click.Option):
    """An option that `--help` lists under `heading`."""

    def __init__(self, *args: Any, heading: str, **values: Any) -> None:
        super().__init__(*args, **values)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command whose `--help` lists the options under their headings."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its log and its summary begin."""
        begin_command(ctx.info_name or "")
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section of options for each heading; --help has no heading."""
        groups = by_heading(self.params)
        help_option = self.get_help_option(ctx)
        if help_option is not None:
            own = "Options" if "Options" in groups else "Other options"
            groups.setdefault(own, []).append(help_option)
        for heading, options in groups.items():
            records = [record for o in options if (record := o.get_help_record(ctx)) is not None]
            with formatter.section(heading):
                formatter.write_dl(records)
        if any(isinstance(option, click.Option) and option.hidden for option in self.params):
            formatter.write_paragraph()
            formatter.write_text(OF_EVERY_COMMAND)


def by_heading(parameters: list[click.Parameter]) -> dict[str, list[click.Option]]:
    """Group options by heading, in the order of the first option of each.

    Options without a heading come first, as "Options".
    """
    headed: dict[str, list[click.Option]] = {}
    for option in parameters:
        if isinstance(option, click.Option) and not option.hidden:
            headed.setdefault(getattr(option, "heading", "Options"), []).append(option)
    own = headed.pop("Options", [])
    return {"Options": own, **headed} if own else headed


class _Lines(click.types.StringParamType):
    """Text; an environment variable has one value a line, because a value may hold spaces."""

    envvar_list_splitter = "\n"


LINES = _Lines()


def options_under(heading: str) -> Callable[..., Callable[[Any], Any]]:
    """Return a variant of `click.option` for options under `heading`."""
    return partial(click.option, cls=HeadedOption, heading=heading)


command = partial(click.command, cls=HeadedCommand)
"""`click.command` for commands with headings."""


def complete_model(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of models, with their descriptions."""
    from vecsim.models.registry import all_models

    return [
        CompletionItem(spec.name, help=spec.description)
        for _, spec in all_models()
        if spec.name.startswith(incomplete)
    ]


def complete_index(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete paths of indexes, else folders.

    Without any text, offers indexes in the current folder and in the folder `VECSIM_INDEXES`.
    """
    if incomplete:
        found = _indexes(incomplete)
    else:
        home = os.environ.get("VECSIM_INDEXES", "indexes")
        found = [*_indexes(""), *_indexes(f"{home}{os.sep}")]
    return [CompletionItem(path) for path in found] or [CompletionItem(incomplete, type="dir")]


def complete_files(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete files and folders; an index is a folder."""
    return [CompletionItem(incomplete, type="file")]


def _complete_index_or_source(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete paths of indexes, else files and folders."""
    found = complete_index(ctx, parameter, incomplete)
    return complete_files(ctx, parameter, incomplete) if found[0].type == "dir" else found


index_or_source_argument = click.argument(
    "place", metavar="INDEX|SOURCE", shell_complete=_complete_index_or_source
)


def _indexes(begun: str) -> list[str]:
    """Return the indexes whose path begins with `begun`."""
    name = begun.rpartition(os.sep)[2]
    before = begun[: len(begun) - len(name)]
    try:
        inside = sorted(Path(before or ".").expanduser().iterdir())
    except OSError:
        return []
    return [
        f"{before}{path.name}"
        for path in inside
        if path.name.startswith(name) and (path / "catalog.db").is_file()
    ]


_EXCEL = "vecsim.excel"


def format_options(function: Any) -> Any:
    """Add the options --format and --excel, which is a kind of CSV; both give `format_`."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        ctx.meta[_EXCEL] = value

    def combine(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        if not ctx.meta.get(_EXCEL):
            return value
        if value not in (None, "csv", "excel"):
            raise click.UsageError(f"--excel writes CSV: leave out --format {value}.")
        return "excel"

    option = options_under("Output options")
    add_format = option(
        "-f",
        "--format",
        "format_",
        type=click.Choice(list(FORMATS)),
        callback=combine,
        help="Output format [default: from the extension of --output; else table on a terminal, "
        "CSV otherwise].",
    )
    add_excel = option(
        "--excel",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=remember,
        help="Write CSV for spreadsheets, in which no cell is run as a formula.",
    )
    return add_format(add_excel(function))


def orientations_option(
    help_text: str, heading: str = "Search options"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --orientations with this help text, under a heading."""
    choice = click.Choice(list(SETTINGS))
    return options_under(heading)("--orientations", type=choice, help=help_text)


stored_orientations_option = orientations_option(
    "Store images turned, or their parts, too, known ones included [default: as before; none in a "
    "new index].",
    "Index options",
)
