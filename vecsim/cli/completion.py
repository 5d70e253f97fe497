"""Values that shells offer for models, indexes and files when Tab is pressed."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem


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
