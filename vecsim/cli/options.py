"""Options that several commands share, as decorators, and the option objects made from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vecsim.cli.completion import complete_index, complete_model
from vecsim.cli.option_groups import options_under
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


_source = options_under("Source options")
_download = options_under("Download options")
_decoding = options_under("Decoding options")
_model = options_under("Model options")
_engine = options_under("Cluster options")
_index = options_under("Index options")
_search = options_under("Search options")
_output = options_under("Output options")

source_options = _all_of(
    _source("--delimiter", help="Column separator [default: detected]."),
    _source("--no-header", is_flag=True, help="The first row is data; columns are 1, 2, …"),
    _source("--id-column", help="Column of ids [default: id; without one, URLs are ids]."),
    _source("--url-column", help="Column of URLs or paths [default: url, path, or the last]."),
    _source("--columns", help="Other columns to keep, comma-separated [default: all]."),
    _source("--encoding", help="Encoding of the file [default: UTF-8]."),
)

model_options = _all_of(
    _model(
        "--model",
        default="auto",
        envvar="VECSIM_MODEL",
        show_default=True,
        show_envvar=True,
        shell_complete=complete_model,
        help="Model that computes the vectors; see `vecsim models`.",
    ),
    _model(
        "--weights",
        type=PATH,
        envvar="VECSIM_WEIGHTS",
        show_envvar=True,
        help="Keras .h5 file with the model's weights.",
    ),
)

weights_option = _model(
    "--weights",
    type=PATH,
    envvar="VECSIM_WEIGHTS",
    show_envvar=True,
    help="Weights file of the index's model, if it was moved.",
)

work_options = _all_of(
    _download(
        "--workers",
        type=click.IntRange(1, 1024),
        default=16,
        show_default=True,
        help="Concurrent downloads.",
    ),
    _download(
        "--per-host",
        type=click.IntRange(1, 1024),
        default=8,
        show_default=True,
        help="Concurrent downloads from one host.",
    ),
    _download(
        "--rate-per-host",
        type=click.FloatRange(0, min_open=True),
        help="Maximum downloads a second from one host [default: no limit].",
    ),
    _download(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        show_default=True,
        help="Seconds for one image, retries included.",
    ),
    _download(
        "--retries",
        type=click.IntRange(0, 100),
        default=2,
        show_default=True,
        help="Retries after a temporary error.",
    ),
    _download(
        "--max-bytes",
        type=click.IntRange(1),
        default=50_000_000,
        show_default=True,
        help="Largest image file, in bytes.",
    ),
    _download(
        "--header", "headers", multiple=True, help="HTTP header to send, 'Name: value'; repeatable."
    ),
    _download("--user-agent", help="User-Agent header [default: vecsim/VERSION]."),
    _download(
        "--public-only",
        is_flag=True,
        help="Refuse private addresses, file: URLs and paths, for lists from untrusted sources.",
    ),
    _decoding(
        "--max-pixels",
        type=click.IntRange(1),
        default=100_000_000,
        show_default=True,
        help="Largest image, width times height.",
    ),
    _decoding("--accept-truncated", is_flag=True, help="Decode incomplete image files."),
    _decoding("--all-formats", is_flag=True, help="Decode rare image formats too."),
    _model(
        "--batch-size",
        type=click.IntRange(1, 4096),
        default=32,
        show_default=True,
        help="Batch size.",
    ),
    _model(
        "--device",
        type=click.Choice(["auto", "cpu", "gpu"]),
        default="auto",
        show_default=True,
        help="Device that runs the model.",
    ),
)

engine_options = _all_of(
    _engine(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the work runs: on this machine or on a Ray cluster.",
    ),
    _engine(
        "--ray-address",
        metavar="auto|HOST:PORT|ray://…",
        default="auto",
        show_default=True,
        help="Address of the cluster [auto: the one this machine belongs to].",
    ),
    _engine(
        "--cpus-per-worker",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="CPUs for each worker.",
    ),
    _engine(
        "--gpus-per-worker",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        help="GPUs for each worker; a fraction shares a GPU between workers.",
    ),
)

wait_option = _index("--wait", is_flag=True, help="Wait while another process writes to the index.")

duplicate_option = _index(
    "--on-duplicate",
    type=click.Choice(["error", "skip", "replace"]),
    default="error",
    show_default=True,
    help="What to do if a known id is listed with another URL.",
)

thumbnails_option = _index(
    "--thumbnails/--no-thumbnails",
    default=None,
    help="Store thumbnails for reports [default: as before; yes in a new index].",
)

threshold_option = _search(
    "-t",
    "--threshold",
    type=float,
    help="Minimum score to report, -1 to 1, inclusive [default: of the index, else its model].",
)

placeholders_option = _search(
    "--skip-placeholders",
    type=click.IntRange(2),
    metavar="N",
    help="Leave out images whose bytes N or more images share, such as 'no image' pictures.",
)

output_options = _all_of(
    _output(
        "-f",
        "--format",
        "format_",
        type=click.Choice(list(FORMATS)),
        help="Output format [default: from the extension of --output; else table on a terminal, "
        "CSV otherwise].",
    ),
    _output("-o", "--output", type=PATH, help="Write to this file, complete or not at all."),
)

report_option = _output(
    "--report",
    type=PATH,
    metavar="FILE.html",
    help="Write an HTML page with the images side by side.",
)


def as_source_options(values: dict[str, Any]) -> SourceOptions:
    """Take the values of `source_options` out of `values`."""
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
    """Take the values of `work_options` and `engine_options` out of `values`.

    Raises `MissingExtraError` if the engine is not installed.
    """
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
    open_engine(engine)  # reports a missing package before any work is done
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
