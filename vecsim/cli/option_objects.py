"""Make option objects, such as `WorkOptions`, from the values that Click passes to a command.

Each function takes its values out of the dictionary, so that what is left belongs to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecsim.cli.runs import Run
    from vecsim.engines.engine import WorkOptions
    from vecsim.operations.requests import ModelChoice, RunOptions, SearchRequest
    from vecsim.sources import SourceOptions


def as_source_options(values: dict[str, Any]) -> SourceOptions:
    """Take the values of `source_options` out of `values`."""
    from vecsim.sources import SourceOptions

    columns = values.pop("columns")
    names = None if columns is None else tuple(n.strip() for n in columns.split(",") if n.strip())
    urls = values.pop("url_columns")
    return SourceOptions(
        delimiter=values.pop("delimiter"),
        header=not values.pop("no_header"),
        id_column=values.pop("id_column"),
        url_column=urls[0] if len(urls) == 1 else urls or None,
        columns=names,
        encoding=values.pop("encoding"),
        quoting=values.pop("quoting"),
        split_cells=values.pop("split_cells"),
        exclude=values.pop("exclude"),
        all_files=values.pop("all_files"),
    )


def as_id_list_options(values: dict[str, Any]) -> SourceOptions:
    """Take the values of `id_list_options` out of `values`."""
    from vecsim.sources import SourceOptions

    return SourceOptions(
        delimiter=values.pop("delimiter"),
        header=not values.pop("no_header"),
        id_column=values.pop("id_column"),
        encoding=values.pop("encoding"),
    )


def as_work_options(values: dict[str, Any]) -> WorkOptions:
    """Take the values of `work_options` and `engine_options` out of `values`.

    Raises `MissingExtraError` if the engine is not installed.
    """
    from vecsim.decode import DecodeLimits
    from vecsim.engines.engine import EngineOptions, WorkOptions, open_engine
    from vecsim.fetch import FetchOptions

    engine = EngineOptions(
        name=values.pop("engine", "local"),
        ray_address=values.pop("ray_address", "auto"),
        cpus_per_worker=values.pop("cpus_per_worker", 1),
        gpus_per_worker=values.pop("gpus_per_worker", 0.0),
    )
    open_engine(engine)  # reports a missing package before any work is done
    fetch: dict[str, Any] = {
        "workers": values.pop("workers"),
        "per_host": values.pop("per_host"),
        "rate_per_host": values.pop("rate_per_host"),
        "deadline": values.pop("timeout"),
        "retries": values.pop("retries"),
        "max_bytes": values.pop("max_bytes"),
        "headers": dict(_header("--header", text) for text in values.pop("headers")),
        "host_headers": _host_headers(values.pop("host_headers")),
        "public_only": values.pop("public_only"),
    }
    user_agent = values.pop("user_agent")
    if user_agent is not None:
        fetch["user_agent"] = user_agent
    limits = DecodeLimits(
        max_pixels=values.pop("max_pixels"),
        accept_truncated=values.pop("accept_truncated"),
        all_formats=values.pop("all_formats"),
        strict=values.pop("strict"),
    )
    return WorkOptions(
        batch_size=values.pop("batch_size"),
        device=values.pop("device"),
        fetch=FetchOptions(**fetch),
        limits=limits,
        engine=engine,
    )


def as_run_options(values: dict[str, Any], work: WorkOptions, run: Run) -> RunOptions:
    """Make the options of a run: of the model, of the index (all that is left in `values`), `work`.

    `run` receives the progress and can stop the run.
    """
    from vecsim.operations.requests import RunOptions

    model = as_model_choice(values)
    return RunOptions(model, work, progress=run.watch, stop=run.stop, busy=run.busy, **values)


def as_model_choice(values: dict[str, Any]) -> ModelChoice:
    """Take the values of `model_options` out of `values`. Raises `UsageError`, `InputError`."""
    from vecsim.operations.requests import ModelChoice

    settings = dict(_setting(text) for text in values.pop("model_settings", ()))
    return ModelChoice.of(values.pop("model", "auto"), values.pop("weights", None), settings)


def as_search_request(values: dict[str, Any], *, thumbnails: bool = False) -> SearchRequest:
    """Take the values of search options out of `values`. Raises `UsageError`.

    `thumbnails`: whether the result carries thumbnails of queries that are in no index.
    """
    from vecsim.operations.requests import SearchRequest

    return SearchRequest(
        values.pop("threshold"),
        values.pop("top_k", None),
        best_only=values.pop("best_only", False),
        mutual=values.pop("mutual", False),
        one_to_one=values.pop("one_to_one", False),
        since=values.pop("since", None),
        new_only=values.pop("new_only", False),
        skip_placeholders=values.pop("skip_placeholders", None),
        thumbnails=thumbnails,
        show_all=values.pop("show_all", False),
        orientations=values.pop("orientations", None),
    )


def _setting(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--model-setting: write NAME=VALUE, not {text!r}.")
    return name.strip(), value.strip()


def _header(option: str, text: str) -> tuple[str, str]:
    """Split 'Name: value'. The message shows the name at most: the value may be a secret."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{option}: write the header as 'Name: value'.")
    return name.strip(), value.strip()


def _host_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Make the headers of each host from (host, 'Name: value')."""
    headers: dict[str, dict[str, str]] = {}
    for host, text in pairs:
        name, value = _header("--header-for", text)
        headers.setdefault(host, {})[name] = value
    return headers
