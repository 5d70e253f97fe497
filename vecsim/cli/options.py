"""Options that several commands share, as decorators, and the objects they are made into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vecsim.cli.completion import complete_index, complete_model
from vecsim.render.formats import FORMATS

if TYPE_CHECKING:
    from vecsim.cli.progress import Run
    from vecsim.engines.options import WorkOptions
    from vecsim.operations.requests import RunOptions
    from vecsim.sources import SourceOptions

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

index_argument = click.argument("index", type=PATH, shell_complete=complete_index)


def _all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


source_options = _all_of(
    click.option("--delimiter", help="What separates columns [default: found out]."),
    click.option("--no-header", is_flag=True, help="The first row is data; columns are 1, 2, …"),
    click.option("--id-column", help="Column of the ids [default: id, else the URL is the id]."),
    click.option("--url-column", help="Column of URLs or paths [default: url, path, or the last]."),
    click.option("--columns", help="Other columns to carry along, comma-separated [default: all]."),
    click.option("--encoding", help="Encoding of the file [default: UTF-8]."),
)

model_options = _all_of(
    click.option(
        "--model",
        default="auto",
        envvar="VECSIM_MODEL",
        show_default=True,
        show_envvar=True,
        shell_complete=complete_model,
        help="The model that makes the vectors; see `vecsim models`.",
    ),
    click.option(
        "--weights",
        type=PATH,
        envvar="VECSIM_WEIGHTS",
        show_envvar=True,
        help="A Keras .h5 file of the model's weights.",
    ),
)

work_options = _all_of(
    click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        default=16,
        show_default=True,
        help="Downloads at once.",
    ),
    click.option(
        "--per-host",
        type=click.IntRange(1, 1024),
        default=8,
        show_default=True,
        help="Downloads at once from one host.",
    ),
    click.option(
        "--rate-per-host",
        type=click.FloatRange(0, min_open=True),
        help="Downloads a second from one host, at most [default: no limit].",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        show_default=True,
        help="Seconds that one image may take, retries included.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, 100),
        default=2,
        show_default=True,
        help="Further attempts where another may succeed.",
    ),
    click.option(
        "--max-bytes",
        type=click.IntRange(1),
        default=50_000_000,
        show_default=True,
        help="The largest image file to download.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        default=100_000_000,
        show_default=True,
        help="The largest picture to decode, width times height.",
    ),
    click.option(
        "--header", "headers", multiple=True, help="'Name: value', sent along; repeatable."
    ),
    click.option("--user-agent", help="Who is asking [default: vecsim and its version]."),
    click.option(
        "--public-only",
        is_flag=True,
        help="Refuse private addresses, file: and paths: for URLs that come from strangers.",
    ),
    click.option("--accept-truncated", is_flag=True, help="Take images that are cut short."),
    click.option("--all-formats", is_flag=True, help="Decode rare image formats too."),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 4096),
        default=32,
        show_default=True,
        help="Images through the model together.",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
        help="Where the model runs.",
    ),
)

engine_options = _all_of(
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the work is done: on this machine, or on a Ray cluster.",
    ),
    click.option(
        "--ray-address",
        metavar="auto|HOST:PORT|ray://…",
        default="auto",
        show_default=True,
        help="The cluster [auto: the one that this machine is part of].",
    ),
    click.option(
        "--cpus-per-worker",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="CPUs that each worker of the cluster takes.",
    ),
    click.option(
        "--gpus-per-worker",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        help="GPUs that each worker of the cluster takes; workers may share one.",
    ),
)

weights_option = click.option(
    "--weights",
    type=PATH,
    envvar="VECSIM_WEIGHTS",
    show_envvar=True,
    help="The weights file that the index was made with, if it is not where it was.",
)

wait_option = click.option(
    "--wait", is_flag=True, help="Wait while another process writes to the index."
)

duplicate_option = click.option(
    "--on-duplicate",
    type=click.Choice(["error", "skip", "replace"]),
    default="error",
    show_default=True,
    help="What to do when an id comes again with another URL.",
)

threshold_option = click.option(
    "-t",
    "--threshold",
    type=float,
    help="Report scores from here on, -1 to 1, inclusive [default: the index's or model's own].",
)

thumbnails_option = click.option(
    "--thumbnails/--no-thumbnails",
    default=None,
    help="Keep a small picture of each image [default: as the index remembers, at first yes].",
)

output_options = _all_of(
    click.option(
        "-f",
        "--format",
        "format_",
        type=click.Choice(list(FORMATS)),
        help="How to write it [default: a table on a terminal, else CSV, or as --output ends].",
    ),
    click.option("-o", "--output", type=PATH, help="Write to this file, complete or not at all."),
)


def as_source_options(values: dict[str, Any]) -> SourceOptions:
    """Take the values of `source_options` out of a command's arguments."""
    from vecsim.sources import SourceOptions

    columns = values.pop("columns")
    names = None if columns is None else tuple(n.strip() for n in columns.split(",") if n.strip())
    return SourceOptions(
        delimiter=values.pop("delimiter"),
        header=not values.pop("no_header"),
        id_column=values.pop("id_column"),
        url_column=values.pop("url_column"),
        columns=names,
        encoding=values.pop("encoding"),
    )


def as_work_options(values: dict[str, Any]) -> WorkOptions:
    """Take the values of `work_options`, and `engine_options`, out of a command's arguments."""
    from vecsim.decode import DecodeLimits
    from vecsim.engines.engine import open_engine
    from vecsim.engines.options import EngineOptions, WorkOptions
    from vecsim.fetch import FetchOptions

    engine = EngineOptions(
        name=values.pop("engine", "local"),
        ray_address=values.pop("ray_address", "auto"),
        cpus_per_worker=values.pop("cpus_per_worker", 1),
        gpus_per_worker=values.pop("gpus_per_worker", 0.0),
    )
    open_engine(engine)  # says now what is missing, not after the index was made
    fetch: dict[str, Any] = {
        "workers": values.pop("workers"),
        "per_host": values.pop("per_host"),
        "rate_per_host": values.pop("rate_per_host"),
        "deadline": values.pop("timeout"),
        "retries": values.pop("retries"),
        "max_bytes": values.pop("max_bytes"),
        "headers": dict(map(_header, values.pop("headers"))),
        "public_only": values.pop("public_only"),
    }
    user_agent = values.pop("user_agent")
    if user_agent is not None:
        fetch["user_agent"] = user_agent
    limits = DecodeLimits(
        max_pixels=values.pop("max_pixels"),
        accept_truncated=values.pop("accept_truncated"),
        all_formats=values.pop("all_formats"),
    )
    return WorkOptions(
        batch_size=values.pop("batch_size"),
        device=values.pop("device"),
        fetch=FetchOptions(**fetch),
        limits=limits,
        engine=engine,
    )


def as_run_options(values: dict[str, Any], run: Run) -> RunOptions:
    """Make the options of a run of what is left in a command's arguments, and of `run`."""
    from vecsim.operations.requests import ModelChoice, RunOptions

    model = ModelChoice(values.pop("model", "auto"), values.pop("weights", None))
    return RunOptions(model, progress=run.watch, stop=run.stop, **values)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"--header {text!r}: write it as 'Name: value'.")
    return name.strip(), value.strip()
