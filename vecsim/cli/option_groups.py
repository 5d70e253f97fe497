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
        """Write a section of options for each heading."""
        for heading, options in by_heading(self.get_params(ctx)).items():
            records = [record for o in options if (record := o.get_help_record(ctx)) is not None]
            with formatter.section(heading):
                formatter.write_dl(records)


def by_heading(parameters: list[click.Parameter]) -> dict[str, list[click.Option]]:
    """Group options by heading, in the order of the first option of each.

    Options without a heading come first, as "Options"; without any, --help comes last.
    """
    headed: dict[str, list[click.Option]] = {}
    for option in parameters:
        if isinstance(option, click.Option):
            headed.setdefault(getattr(option, "heading", "Options"), []).append(option)
    own = headed.pop("Options", [])
    if [option.name for option in own] == ["help"]:
        return {**headed, "Other options": own}
    return {"Options": own, **headed} if own else headed


def options_under(heading: str) -> Callable[..., Callable[[Any], Any]]:
    """Return a variant of `click.option` for options under `heading`."""
    return partial(click.option, cls=HeadedOption, heading=heading)


command = partial(click.command, cls=HeadedCommand)
"""`click.command` for commands with headings."""
