"""Options that several commands share, as decorators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vecsim.cli.parameters import (
    LINES,
    complete_index,
    complete_model,
    format_options,
    options_under,
)

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

_delimiter = _source("--delimiter", help="Column separator [default: detected].")
_no_header = _source("--no-header", is_flag=True, help="The first row is data; columns are 1, 2, …")
_encoding = _source("--encoding", help="Encoding of the file [default: UTF-8, else cp1252].")

folder_options = _all_of(
    _source(
        "--exclude",
        multiple=True,
        type=LINES,
        metavar="PATTERN",
        help="Leave out files or folders of a folder, as in .gitignore; repeatable.",
    ),
    _source("--all-files", is_flag=True, help="Take pictures with any suffix, by their content."),
)

source_options = _all_of(
    _delimiter,
    _no_header,
    _source("--id-column", help="Column of ids [default: id; without one, URLs are ids]."),
    _source(
        "--url-column",
        "url_columns",
        multiple=True,
        type=LINES,
        help="Column of URLs or paths; repeatable [default: the one whose cells look like it].",
    ),
    _source("--split-cells", is_flag=True, help="A cell may hold several URLs: | , ; or JSON."),
    _source("--columns", help="Other columns to keep, comma-separated [default: all]."),
    _source(
        "--quoting",
        type=click.Choice(["auto", "csv", "none"]),
        default="auto",
        show_default=True,
        help="Whether fields are in quotes; none: quotes are plain characters.",
    ),
    _encoding,
    folder_options,
)

id_list_options = _all_of(
    _delimiter,
    _no_header,
    _source("--id-column", help="Column of ids [default: id; else url or path, or the only one]."),
    _encoding,
)

model_options = _all_of(
    _model(
        "--model",
        default="auto",
        envvar="VECSIM_MODEL",
        show_default=True,
        show_envvar=True,
        shell_complete=complete_model,
        help="Model that computes the vectors, see `vecsim models`, or a file: .onnx, .tflite, "
        ".keras.",
    ),
    _model(
        "--model-setting",
        "model_settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="How pictures come to a model file: preset, size, scaling, …; repeatable.",
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
        "--header",
        "headers",
        metavar="'NAME: VALUE'",
        multiple=True,
        help="HTTP header to send to every host; repeatable. No secrets: see --header-for.",
    ),
    _download(
        "--header-for",
        "host_headers",
        metavar="HOST 'NAME: VALUE'",
        nargs=2,
        multiple=True,
        help="HTTP header to send to this host only, such as an API key; repeatable.",
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
    _decoding(
        "--strict",
        is_flag=True,
        help="Refuse images with damaged metadata, or without an end marker, instead of a warning.",
    ),
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
        help="Device that runs the model; gpu by PyTorch (vecsim[gpu]) or TensorFlow.",
    ),
)

engine_options = _all_of(
    _engine(
        "--engine",
        type=click.Choice(["local", "gpu", "ray"]),
        default="local",
        show_default=True,
        help="Where the work runs: here, here with a GPU for matches, or on a Ray cluster.",
    ),
    _engine(
        "--ray-address",
        metavar="auto|HOST:PORT|ray://…",
        default="auto",
        show_default=True,
        help="Address of the cluster [auto: the one this machine belongs to, else one that is "
        "started on it for this command].",
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

name_option = _source("--name", help="Name of the source in the index [default: its path].")

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
    help="Leave out pictures that N or more images share, saved again or not, such as 'no image'.",
)

show_all_option = _search(
    "--show-all",
    is_flag=True,
    help="Also show missing images, one file under two names, pictures of one colour, and pairs "
    "judged different.",
)

output_options = _all_of(
    format_options,
    _output("-o", "--output", type=PATH, help="Write to this file, complete or not at all."),
)

report_option = _output(
    "--report",
    type=PATH,
    metavar="FILE.html",
    help="Write an HTML page with the images side by side.",
)
