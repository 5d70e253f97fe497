"""Environment variables: those that the code reads, and one for each command line option."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vecsim.cli.parameters import LINES

VARIABLES = {
    "VECSIM_MODEL": "model for new indexes, like `--model`; also for `vecsim.compat`",
    "VECSIM_WEIGHTS": "Keras `.h5` file with its weights, like `--weights`",
    "VECSIM_INDEXES": "folder for the indexes of sources [`indexes`]",
    "VECSIM_CACHE": "folder for converted models [the platform's cache folder]",
    "VECSIM_CHUNK_IMAGES": "maximum number of images in one commit [4096]",
    "VECSIM_NETWORK_FOLDER": "allow: open indexes on network file systems too",
    "VECSIM_LINKED_FOLDERS": "folder below which links called `segments`, `sketches` or "
    "`orientations` may lead",
    "VECSIM_QDRANT_API_KEY": "API key of a Qdrant server, for `export` and `import`",
    "VECSIM_SHARED": "folder with the data of tests and benchmarks [`../shared`]",
    "VECSIM_QUIET": "1: only results, warnings and errors, like `--quiet`",
    "VECSIM_LOG_LEVEL": "lowest level of log messages, like `--log-level`",
    "VECSIM_LOG_FILE": "file to which messages are appended, like `--log-file`",
    "VECSIM_LOG_FORMAT": "text or json, like `--log-format`",
    "VECSIM_RUN_ID": "id of this run, in each line of its log and in its summary [random]",
    "VECSIM_SUMMARY": "JSON file for a summary of the run, like `--summary`",
    "VECSIM_DEBUG": "1: show tracebacks of errors, like `--debug`",
}
"""Variables of vecsim itself, except those of single options."""

FOREIGN_VARIABLES = {
    "KERAS_HOME": "folder to which Keras downloads weights [`~/.keras`]",
    "REQUESTS_CA_BUNDLE": "file of certificates to trust instead of those of certifi",
    "CURL_CA_BUNDLE": "the same, used if REQUESTS_CA_BUNDLE is not set",
    "CUDA_VISIBLE_DEVICES": "GPUs to use; -1 for none",
    "TF_CPP_MIN_LOG_LEVEL": "log level of TensorFlow [3: only errors]",
    "TF_ENABLE_ONEDNN_OPTS": "1: TensorFlow uses oneDNN on a CPU [0]",
    "TF_FORCE_GPU_ALLOW_GROWTH": "false: TensorFlow reserves all memory of a GPU at once [true]",
    "KERAS_BACKEND": "ignored: vecsim sets it to tensorflow",
    "OMP_NUM_THREADS": "threads of a search, including those of FAISS [all cores]",
    "OPENBLAS_THREAD_TIMEOUT": "processor cycles, as a power of 2, for which idle threads of NumPy "
    "look for work [4]",
    "RAY_ADDRESS": "address of the Ray cluster, where --ray-address is auto",
    "RAY_USE_TLS": "1: the Ray cluster uses TLS",
    "XDG_DATA_HOME": "folder of the user's trash [`~/.local/share`]",
    "PYTHONPATH": "passed on to child processes, with the folder of vecsim added",
}
"""Variables of other programs that vecsim reads or sets."""

_SET_BY_VECSIM = {"PYTHONPATH", "KERAS_BACKEND", *(n for n in FOREIGN_VARIABLES if n[:3] == "TF_")}

THROUGH_LIBRARIES = {
    "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY": "proxies for downloads; also in lower case",
    "SSL_CERT_FILE": "file of certificates for the download of weights",
    "COLUMNS": "width of tables [width of the terminal]",
    "NO_COLOR": "no colours in the progress line",
}
"""Variables that the libraries used by vecsim read."""


def known_variables(group: click.Group) -> set[str]:
    """Return the names of all variables that vecsim reads, including those of options."""
    own = {*VARIABLES, *(str(option.envvar) for _, option in options_with_variables(group))}
    return own | FOREIGN_VARIABLES.keys() - _SET_BY_VECSIM


def options_with_variables(group: click.Group) -> Iterator[tuple[str, click.Option]]:
    """Yield (command name, option) for each option with a variable, `option.envvar`."""
    context = click.Context(group, info_name="vecsim")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and option.envvar is not None:
                yield name, option


def add_variables(command: click.Command, name: str) -> None:
    """Give each option a variable: VECSIM_MATCH_BEST_ONLY for --best-only of vecsim match.

    Options that already have a variable keep it; repeatable options get one only if each line of it
    is a value.
    """
    for option in command.params:
        if not isinstance(option, click.Option) or option.envvar is not None or option.hidden:
            continue
        if not option.multiple or option.type is LINES:
            variable = f"VECSIM_{name}_{option.opts[-1].removeprefix('--')}"
            option.envvar = variable.upper().replace("-", "_")
