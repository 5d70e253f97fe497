"""Write commands.md and environment.md from the code itself: `python docs/make_commands.py`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import click

from vecsim.cli.environment import (
    FOREIGN_VARIABLES,
    THROUGH_LIBRARIES,
    VARIABLES,
    options_with_variables,
)
from vecsim.cli.group import cli

PAGE = Path(__file__).with_name("commands.md")
ENVIRONMENT_PAGE = Path(__file__).with_name("environment.md")

_HEAD = """\
# Commands

Written by `docs/make_commands.py` from the commands themselves; a test compares the two.
`vecsim COMMAND --help` says the same.

{about}

**Exit status**: 0 done · 1 failed · 2 wrong usage · 3 done, but some images failed · 130
interrupted (what was done is kept, and the same command carries on).

**Results** go to standard output or `--output`, everything else to standard error. On a terminal
they are a table, else CSV. An `--output` file is complete or not there at all.

**Columns of matches**: `query_id`, `query_url`, `reference_id`, `reference_url`, `score`, then the
carried fields as `query_NAME` and `reference_NAME`. Queries come in their order, each one's matches
by falling score, then by reference id as text. The score is the cosine, with six decimals; what is
reported is exactly what reaches the threshold, so the file can be filtered by hand further up.
"""


def page() -> str:
    """The whole page."""
    context = click.Context(cli, info_name="vecsim", **cli.context_settings)
    parts = [_HEAD.format(about=_text(cli.help))]
    parts += [f"## vecsim\n\n{_options(cli)}"]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=context)
        usage = " ".join(["vecsim", name, *command.collect_usage_pieces(own)])
        parts.append(
            f"## vecsim {name}\n\n    {usage}\n\n{_text(command.help)}\n\n{_options(command)}"
        )
    return "\n".join(parts)


_ENVIRONMENT_HEAD = """\
# Environment variables

Written by `docs/make_commands.py` from the code; a test compares the two. What a command is given
outweighs its variables, and an index outweighs `VECSIM_MODEL`: it keeps its own model. An empty
variable counts as none. `vecsim doctor` lists those in effect, and those that nothing reads.
"""


def environment_page() -> str:
    """The page of environment variables."""
    parts = [
        _ENVIRONMENT_HEAD,
        "## vecsim's own\n\n" + _variables(VARIABLES),
        "## Others'\n\n" + _variables(FOREIGN_VARIABLES),
        "## Read by the libraries below\n\n" + _variables(THROUGH_LIBRARIES),
        "## One for each option\n\n"
        "Whatever an option sets, a variable sets too, so that a service or a cron job can be\n"
        "configured without its command line: `VECSIM_ADD_WORKERS=32` is `--workers 32` of\n"
        "`vecsim add`, `VECSIM_MATCH_BEST_ONLY=1` is `--best-only` of `vecsim match`. Options that "
        "may\nbe repeated have none.\n",
    ]
    commands: dict[str, list[str]] = {}
    for name, option in options_with_variables(cli):
        if option.envvar not in VARIABLES:
            commands.setdefault(name, []).append(f"`{option.envvar}`")
    rows = [f"| {name} | {', '.join(names)} |" for name, names in commands.items()]
    parts.append("\n".join(["| command | variables |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _variables(about: Mapping[str, str]) -> str:
    rows = [f"| `{name.replace(', ', '`, `')}` | {text} |" for name, text in about.items()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows]) + "\n"


def _text(text: str | None) -> str:
    """A command's help as Markdown: examples become a block of code."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        lines = paragraph.splitlines()
        if lines[0] == "\b":
            examples = "\n".join(f"$ {line.strip()}" for line in lines[2:])
            paragraphs.append(f"{lines[1]}\n\n```console\n{examples}\n```")
        else:
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def _options(command: click.Command) -> str:
    """A command's options as a table."""
    rows = ["| option | meaning |", "|---|---|"]
    for option in command.params:
        if isinstance(option, click.Option):
            names = ", ".join(f"`{name}`" for name in option.opts)
            cells = [f"{names}{_value(option)}", f"{option.help}{_default(option)}"]
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else ""


def _value(option: click.Option) -> str:
    """What stands after an option."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" `{'|'.join(option.type.choices)}`"
    kinds = {"integer": "N", "float": "X", "text": "TEXT", "path": "PATH"}
    kind = option.type.name.removesuffix(" range")
    return f" `{option.metavar or kinds[kind]}`"


def _default(option: click.Option) -> str:
    """The default and the environment variable of an option, unless its help says them."""
    facts = [f"default: {option.default}"] if option.show_default is True else []
    shown = option.envvar and (option.show_envvar or option.envvar in VARIABLES)
    facts += [f"environment: {option.envvar}"] if shown else []
    return f" [{'; '.join(facts)}]" if facts else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    ENVIRONMENT_PAGE.write_text(environment_page(), encoding="utf-8")
