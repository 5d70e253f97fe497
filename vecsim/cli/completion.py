"""completion, and what is offered for a model or a folder when Tab is pressed."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

_WHERE = {
    "bash": (
        "~/.local/share/bash-completion/completions/vecsim",
        "The next bash that starts knows it (the package bash-completion has to be there), or "
        'this one at once with: eval "$(vecsim completion bash)"',
    ),
    "zsh": (
        "~/.zfunc/_vecsim",
        "with these lines in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit && compinit",
    ),
    "fish": ("~/.config/fish/completions/vecsim.fish", "The next fish that starts knows it."),
}


@click.command()
@click.argument("shell", type=click.Choice(list(_WHERE)))
def completion(shell: str) -> None:
    """Print the script that completes vecsim in a shell.

    It completes commands, options, models and indexes. Standard output is the script, standard
    error tells how to install it.

    \b
    Examples:
      vecsim completion bash
      vecsim completion zsh
    """
    from vecsim.cli.main import cli
    from vecsim.cli.running import note

    found = get_completion_class(shell)
    assert found is not None
    script = found(cli, {}, "vecsim", "_VECSIM_COMPLETE").source_template % {
        "complete_func": "_vecsim_completion",
        "complete_var": "_VECSIM_COMPLETE",
        "prog_name": "vecsim",
    }
    click.echo(script)
    place, then = _WHERE[shell]
    note(f"Install it with: vecsim completion {shell} > {place}\n{then}")


def complete_model(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of models, each with what it is."""
    from vecsim.models.registry import SPECS

    return [
        CompletionItem(name, help=spec.description)
        for name, spec in SPECS.items()
        if name.startswith(incomplete)
    ]


def complete_index(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Indexes where one has begun to write, or else here and in the usual folder; else folders."""
    if incomplete:
        found = _indexes(incomplete)
    else:
        home = os.environ.get("VECSIM_INDEXES", "indexes")
        found = [*_indexes(""), *_indexes(f"{home}{os.sep}")]
    return [CompletionItem(path) for path in found] or [CompletionItem(incomplete, type="dir")]


def complete_files(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Files and folders: an index is a folder too."""
    return [CompletionItem(incomplete, type="file")]


def _indexes(begun: str) -> list[str]:
    """Folders whose path begins like that and which are indexes."""
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
