"""Index the sources that a command is given in place of indexes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vecsim.cli.messages import note_run, status_of
from vecsim.cli.option_objects import as_run_options, as_source_options, as_work_options
from vecsim.cli.progress import running

if TYPE_CHECKING:
    from vecsim.engines.engine import WorkOptions
    from vecsim.records import AddReport


@dataclass(frozen=True, slots=True)
class IndexedPlaces:
    """The indexes of the places that a command was given.

    `reports`: of the runs that indexed sources. `work`: the command's options for such runs.
    """

    paths: list[Path]
    reports: list[AddReport]
    work: WorkOptions

    @property
    def interrupted(self) -> bool:
        """Whether a run was interrupted, so that an index is incomplete."""
        return any(report.interrupted for report in self.reports)

    @property
    def status(self) -> int:
        """The exit status: interrupted, some images failed, or done."""
        return status_of(*self.reports)


def index_places(places: list[str], values: dict[str, Any]) -> IndexedPlaces:
    """Find the indexes of `places`; sources are indexed first, or their indexes updated.

    `values`: the command's options for sources, models and work, which are taken out.
    """
    from vecsim.operations.source_indexes import index_paths, is_index

    options, work = as_source_options(values), as_work_options(values)
    existing = [Path(place) for place in places if is_index(place)]
    if existing:
        use_model_of_index(existing[0], values)
    with running(show=len(existing) < len(places)) as run:
        indexed = index_paths(places, options, as_run_options(values, work, run))
    reports = []
    for place, (path, report) in zip(places, indexed, strict=True):
        if report is not None:
            note_run(place, path, report)
            reports.append(report)
    return IndexedPlaces([path for path, _ in indexed], reports, work)


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
