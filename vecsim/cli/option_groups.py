"""Options under headings in `--help`: an option names its heading, a command sorts them by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click


class HeadedOption(click.Option):
    """An option that `--help` lists under `heading`."""

    def __init__(self, *args: Any, heading: str, **values: Any) -> None:
        super().__init__(*args, **values)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command whose `--help` lists the options under their headings."""

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


def by_heading(parameters: list[click.Parameter]) -> dict[str, list[click.Option]]:
    """Group options by heading, in the order of the first option of each.

    Options without a heading come first, as "Options".
    """
    headed: dict[str, list[click.Option]] = {}
    for option in parameters:
        if isinstance(option, click.Option):
            headed.setdefault(getattr(option, "heading", "Options"), []).append(option)
    own = headed.pop("Options", [])
    return {"Options": own, **headed} if own else headed


def options_under(heading: str) -> Callable[..., Callable[[Any], Any]]:
    """Return a variant of `click.option` for options under `heading`."""
    return partial(click.option, cls=HeadedOption, heading=heading)


command = partial(click.command, cls=HeadedCommand)
"""`click.command` for commands with headings."""
