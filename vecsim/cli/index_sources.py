"""Index the sources that a command is given in place of indexes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vecsim.cli.messages import tell
from vecsim.cli.options import as_run_options, as_source_options, as_work_options
from vecsim.cli.progress import running

if TYPE_CHECKING:
    from vecsim.engines.options import WorkOptions
    from vecsim.records import AddReport


def index_places(
    places: list[str], values: dict[str, Any]
) -> tuple[list[Path], list[AddReport | None], WorkOptions]:
    """Return the indexes of `places`; sources are indexed first, or their indexes updated.

    `values`: the command's options for sources, models and work. Returns the indexes, what was
    added to each (None where it was an index already), and the options for work.
    """
    from vecsim.operations.source_indexes import index_paths, is_index

    options, work = as_source_options(values), as_work_options(values)
    existing = [Path(place) for place in places if is_index(place)]
    if existing:
        use_model_of_index(existing[0], values)
    with running(show=len(existing) < len(places)) as run:
        indexed = index_paths(places, options, as_run_options({**values, "work": work}, run))
    for place, (path, added) in zip(places, indexed, strict=True):
        if added is not None:
            tell(place, path, added)
    return [path for path, _ in indexed], [added for _, added in indexed], work


def use_model_of_index(index: Path, values: dict[str, Any]) -> None:
    """Ignore VECSIM_MODEL and VECSIM_WEIGHTS for an existing index, which has its own model.

    The weights are kept if the index needs a weights file and its own was moved.
    """
    from vecsim.operations.index_settings import needs_weights

    source = click.get_current_context().get_parameter_source
    if "model" in values and source("model") is ParameterSource.ENVIRONMENT:
        values["model"] = "auto"
    if source("weights") is ParameterSource.ENVIRONMENT and not needs_weights(index):
        values["weights"] = None
