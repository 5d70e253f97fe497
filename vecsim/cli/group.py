"""The command `vecsim` and the table of its subcommands, which are imported when needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from vecsim.cli.environment import add_variables
from vecsim.cli.logs import open_logs
from vecsim.cli.run_options import add_run_options, with_run_options
from vecsim.cli.run_record import current_run
from vecsim.errors import OutputClosedError

# Name of the command: (module in this package, function). --help lists them in this order.
_COMMANDS = {
    "demo": ("setup_commands", "demo"),
    "match": ("match_command", "match"),
    "query": ("query_command", "query"),
    "cluster": ("cluster_command", "cluster"),
    "apply": ("apply_commands", "apply"),
    "undo": ("apply_commands", "undo"),
    "decisions": ("decisions_command", "decisions"),
    "calibrate": ("calibrate_command", "calibrate"),
    "build-index": ("build_commands", "build_index"),
    "add": ("build_commands", "add"),
    "sync": ("sync_command", "sync"),
    "retry": ("build_commands", "retry"),
    "refresh": ("build_commands", "refresh"),
    "remove": ("maintenance_commands", "remove"),
    "info": ("maintenance_commands", "info"),
    "failures": ("maintenance_commands", "failures"),
    "verify": ("maintenance_commands", "verify"),
    "repair": ("maintenance_commands", "repair"),
    "compact": ("maintenance_commands", "compact"),
    "thumbnails": ("build_commands", "thumbnails"),
    "cache": ("setup_commands", "cache"),
    "embed": ("embed_command", "embed"),
    "import": ("import_export_commands", "import_"),
    "export": ("import_export_commands", "export"),
    "serve": ("serve_command", "serve"),
    "models": ("setup_commands", "models"),
    "list-images": ("setup_commands", "list_images"),
    "doctor": ("setup_commands", "doctor"),
    "completion": ("setup_commands", "completion"),
}

_FIRST_STEPS = """\
vecsim match photos/              all pairs of similar pictures (or: list.csv)
vecsim query photos/ photo.jpg    what is similar to one picture
vecsim build-index INDEX photos/  an index, to match and query again and again
vecsim serve INDEX                search and review it in a browser
vecsim --help                     all commands; vecsim demo shows some at work"""

_VERSIONED = ("ai-edge-litert", "faiss-cpu", "numkong", "numpy", "pillow", "tensorflow")


class _LazyGroup(click.Group):
    """A group that imports the module of a command when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, function = _COMMANDS[name]
        command: click.Command = getattr(import_module(f"vecsim.cli.{module}"), function)
        add_variables(command, name)
        add_run_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest a similar name if there is none."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else _advice_about(args[0])
            ctx.fail(f"no such command: {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a closed pipe is `OutputClosedError`, which Click would exit 1 for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise OutputClosedError from error


def _advice_about(name: str) -> str:
    """Return what to do with a file or folder that was given in place of a command."""
    from vecsim.cli.messages import in_shell

    word = in_shell(name)
    if os.path.isfile(os.path.join(name, "catalog.db")):
        return f" It is an index: vecsim info {word}"
    if os.path.isdir(name):
        return f" To find the similar pictures in this folder: vecsim match {word}"
    if os.path.isfile(name):
        return (
            f" To find what is similar to a picture: vecsim query FOLDER {word}. "
            f"To match the pictures of a list: vecsim match {word}"
        )
    return ""


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo("\n".join(_versions()))
        ctx.exit()


def _versions() -> Iterator[str]:
    """Yield the versions that a bug report should include, without importing the packages."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    yield f"vecsim {version('vecsim')}"
    yield f"Python {platform.python_version()} on {platform.platform()}"
    for name in _VERSIONED:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} is not installed"


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: vecsim demo",
)
@with_run_options
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the versions to include in a bug report.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find identical and similar images in sets of images: every pair, none missed.

    A SOURCE is a CSV, TSV or JSON lines file of image URLs, a folder of images, or - for standard
    input. An INDEX is a folder that vecsim creates.
    """
    if ctx.invoked_subcommand is None:
        click.echo(_FIRST_STEPS)
        return
    open_logs(current_run())
    # TensorFlow reads these variables when it is imported; they silence it on standard error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
