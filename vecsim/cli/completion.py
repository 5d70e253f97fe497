"""Shell completion: the command completion, and values for models, indexes and files."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from vecsim.cli.messages import note
from vecsim.cli.option_groups import command

_INSTALLATION = {
    "bash": (
        "~/.local/share/bash-completion/completions/vecsim",
        "New shells use it (the package bash-completion is required); for this shell: "
        'eval "$(vecsim completion bash)"',
    ),
    "zsh": (
        "~/.zfunc/_vecsim",
        "Add to ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit && compinit",
    ),
    "fish": ("~/.config/fish/completions/vecsim.fish", "New shells use it."),
}


@command()
@click.argument("shell", type=click.Choice(list(_INSTALLATION)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, models and indexes. The script goes to standard output, the
    instructions to install it to standard error.

    \b
    Examples:
      vecsim completion bash
      vecsim completion zsh
    """
    group = ctx.find_root().command
    found = get_completion_class(shell)
    assert found is not None
    script = found(group, {}, "vecsim", "_VECSIM_COMPLETE").source_template % {
        "complete_func": "_vecsim_completion",
        "complete_var": "_VECSIM_COMPLETE",
        "prog_name": "vecsim",
    }
    click.echo(script)
    path, instructions = _INSTALLATION[shell]
    note(f"Install it with: vecsim completion {shell} > {path}\n{instructions}")


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
