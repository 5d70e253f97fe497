"""Options that every command takes, before or after its name: quiet, logs, the summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vecsim.cli.logs import LEVELS, change_settings
from vecsim.render.log_lines import LOG_FORMATS

_FILE = click.Path(path_type=Path, dir_okay=False)


class RunOption(click.Option):
    """An option of every command. `setting`: the field of `RunSettings` that it changes."""

    def __init__(self, *names: str, setting: str, **how: Any) -> None:
        super().__init__(list(names), expose_value=False, callback=_take, **how)
        self.setting = setting


def _take(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    assert isinstance(param, RunOption)
    if value and not ctx.resilient_parsing:
        change_settings(**{param.setting: value})


def run_options(*, hidden: bool = False) -> list[RunOption]:
    """Return the options. `hidden`: as those of a command, whose help names them in one line."""
    return [
        RunOption(
            "--debug", setting="debug", is_flag=True, help="Show tracebacks of errors.",
            envvar=_unless(hidden, "VECSIM_DEBUG"), hidden=hidden,
        ),
        RunOption(
            "-q", "--quiet", setting="quiet", is_flag=True, hidden=hidden,
            help="Write only results, warnings and errors, no progress and no notes.",
            envvar=_unless(hidden, "VECSIM_QUIET"),
        ),
        RunOption(
            "--log-level", setting="level", type=click.Choice(LEVELS, case_sensitive=False),
            help="Lowest level of log messages [default: info in a file or with --log-format, else "
            "warning].",
            envvar=_unless(hidden, "VECSIM_LOG_LEVEL"), hidden=hidden,
        ),
        RunOption(
            "--log-file", setting="file", type=_FILE, metavar="FILE", hidden=hidden,
            help="Append messages and log messages to this file, each with the time and the id of "
            "the run.",
            envvar=_unless(hidden, "VECSIM_LOG_FILE"),
        ),
        RunOption(
            "--log-format", setting="format", type=click.Choice(LOG_FORMATS), hidden=hidden,
            help="Format of the log [default: text]. Without --log-file, standard error gets these "
            "lines in place of messages and progress.",
            envvar=_unless(hidden, "VECSIM_LOG_FORMAT"),
        ),
        RunOption(
            "--summary", setting="summary", type=_FILE, metavar="FILE", hidden=hidden,
            help="Write a summary of the run to this JSON file: exit status, counts, messages.",
            envvar=_unless(hidden, "VECSIM_SUMMARY"),
        ),
    ]  # fmt: skip


def _unless(hidden: bool, variable: str) -> str | None:
    """The variable counts once, for the option of the group."""
    return None if hidden else variable


def add_run_options(command: click.Command) -> None:
    """Let a command take these options after its name too."""
    if not any(isinstance(option, RunOption) for option in command.params):
        command.params.extend(run_options(hidden=True))


def with_run_options(group: Callable[..., Any]) -> Callable[..., Any]:
    """Give the options to the group `vecsim`, in whose help they are."""
    options = getattr(group, "__click_params__", [])
    group.__click_params__ = [*options, *reversed(run_options())]  # type: ignore[attr-defined]
    return group
