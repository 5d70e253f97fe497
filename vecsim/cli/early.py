"""What can be wrong with a command itself, said before hours of work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vecsim.errors import StorageError


def check_output(format_: str | None, output: Path | None, *others: Path | None) -> None:
    """Raise `UsageError` or `StorageError` if results could not be written in the end."""
    from vecsim.render import choose_format

    choose_format(format_, output)
    for file in (output, *others):
        if file is not None and str(file) != "-":
            check_file(file)


def check_file(file: Path) -> None:
    """Raise `StorageError` if a file of that name could not be written."""
    if not file.parent.is_dir():
        raise StorageError(f"{file}: there is no folder {file.parent}. Make it first.")
    if file.is_dir():
        raise StorageError(f"{file}: that is a folder. Name a file in it.")
    if not os.access(file.parent, os.W_OK):
        raise StorageError(f"{file}: the folder {file.parent} cannot be written to.")


def check_question(threshold: float | None, top_k: int | None = None) -> None:
    """Raise `UsageError` unless the threshold and the number of matches can be meant."""
    from vecsim.operations.thresholds import check_question

    check_question(threshold, top_k)


def yield_to_index(index: Path, values: dict[str, Any]) -> None:
    """Drop a model and weights that only the environment names: an index has its own.

    The weights stay if the index needs a file and its own is no longer where it was.
    """
    from vecsim.operations.own_model import needs_weights

    source = click.get_current_context().get_parameter_source
    if "model" in values and source("model") is ParameterSource.ENVIRONMENT:
        values["model"] = "auto"
    if source("weights") is ParameterSource.ENVIRONMENT and not needs_weights(index):
        values["weights"] = None
