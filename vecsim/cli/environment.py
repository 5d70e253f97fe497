"""Environment variables: those that the code reads, and one for each option."""

from __future__ import annotations

from collections.abc import Iterator

import click

VARIABLES = {
    "VECSIM_MODEL": "the model for new indexes, as `--model`; also of `vecsim.compat`",
    "VECSIM_WEIGHTS": "a Keras `.h5` file of its weights, as `--weights`",
    "VECSIM_INDEXES": "where indexes of sources are kept [`indexes`]",
    "VECSIM_CACHE": "where converted models are kept [the platform's folder for caches]",
    "VECSIM_CHUNK_IMAGES": "how many images one commit adds at most [4096]",
    "VECSIM_NETWORK_FOLDER": "allow: open an index on a network file system all the same",
    "VECSIM_SHARED": "where tests and benchmarks find their data [`../shared`]",
    "VECSIM_QUIET": "1: only results and errors, as `--quiet`",
    "VECSIM_DEBUG": "1: show a traceback of errors, as `--debug`",
}
"""What vecsim reads under its own name, but for the variables of single options."""

FOREIGN_VARIABLES = {
    "KERAS_HOME": "Keras' folder, where weights are downloaded to [`~/.keras`]",
    "REQUESTS_CA_BUNDLE": "a file of certificates to trust instead of certifi's",
    "CURL_CA_BUNDLE": "the same, where the one above is not set",
    "CUDA_VISIBLE_DEVICES": "the GPUs that may be used; -1 for none",
    "TF_CPP_MIN_LOG_LEVEL": "how much TensorFlow says [3: errors alone]",
    "TF_ENABLE_ONEDNN_OPTS": "1: let TensorFlow use oneDNN on a CPU [0]",
    "TF_FORCE_GPU_ALLOW_GROWTH": "false: let TensorFlow take all memory of a GPU at once [true]",
    "KERAS_BACKEND": "not heeded: vecsim sets it to tensorflow",
    "OMP_NUM_THREADS": "threads of a search, FAISS's included [all cores]",
    "PYTHONPATH": "handed on, with vecsim's own place, to processes that it starts",
}
"""What vecsim reads or sets that belongs to others."""

_SET_BY_VECSIM = {"PYTHONPATH", "KERAS_BACKEND", *(n for n in FOREIGN_VARIABLES if n[:3] == "TF_")}

THROUGH_LIBRARIES = {
    "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY": "proxies for downloads; small letters too",
    "SSL_CERT_FILE": "certificates for the download of weights",
    "COLUMNS": "how wide a table may be [the terminal's width]",
    "NO_COLOR": "no colour in progress",
}
"""What the libraries that vecsim stands on read."""


def known_variables(group: click.Group) -> set[str]:
    """The names of all variables that vecsim itself reads, those of the options included."""
    own = {*VARIABLES, *(str(option.envvar) for _, option in options_with_variables(group))}
    return own | FOREIGN_VARIABLES.keys() - _SET_BY_VECSIM


def options_with_variables(group: click.Group) -> Iterator[tuple[str, click.Option]]:
    """(command, option) of all options that a variable can set; its name is `option.envvar`."""
    context = click.Context(group, info_name="vecsim")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and option.envvar is not None:
                yield name, option


def name_variables(command: click.Command, name: str) -> None:
    """Let a variable set each option: VECSIM_MATCH_BEST_ONLY is --best-only of vecsim match.

    Options that have a variable already keep it; those that may be repeated have none.
    """
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None and not option.multiple:
            words = f"VECSIM_{name}_{option.opts[-1].removeprefix('--')}"
            option.envvar = words.upper().replace("-", "_")
