"""The group of commands, and what becomes of errors."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

from vecsim.cli.environment import name_variables
from vecsim.cli.hints import WORDINGS
from vecsim.errors import VecsimError

# Command: its module here, and its function. In the order in which help lists them.
_COMMANDS = {
    "demo": ("demo", "demo"),
    "match": ("search", "match"),
    "query": ("search", "query"),
    "cluster": ("pictures", "cluster"),
    "calibrate": ("calibration", "calibrate"),
    "build-index": ("building", "build_index"),
    "add": ("building", "add"),
    "retry": ("building", "retry"),
    "refresh": ("building", "refresh"),
    "remove": ("care", "remove"),
    "info": ("care", "info"),
    "failures": ("care", "failures"),
    "verify": ("care", "verify"),
    "repair": ("care", "repair"),
    "compact": ("care", "compact"),
    "thumbnails": ("pictures", "thumbnails"),
    "import": ("exchange", "import_"),
    "export": ("exchange", "export"),
    "serve": ("serving", "serve"),
    "models": ("lists", "models"),
    "list-images": ("lists", "list_images"),
    "doctor": ("doctor", "doctor"),
    "completion": ("completion", "completion"),
}

_TELLING = ("ai-edge-litert", "faiss-cpu", "numkong", "numpy", "pillow", "tensorflow")

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


class _Commands(click.Group):
    """Commands whose modules are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, function = _COMMANDS[name]
        command: click.Command = getattr(import_module(f"vecsim.cli.{module}"), function)
        name_variables(command, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the command that was probably meant."""
        import difflib

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"no such command: {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would end the process with status 1 when a pipe breaks."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


class _ReaderGoneError(Exception):
    """Whoever read our output has seen enough."""


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo("\n".join(_versions()))
        ctx.exit()


def _versions() -> Iterator[str]:
    """The versions that a report of a bug should name; nothing of them is imported."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    yield f"vecsim {version('vecsim')}"
    yield f"Python {platform.python_version()} on {platform.platform()}"
    for name in _TELLING:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} is not installed"


class _Notes(logging.Handler):
    """Tells a person what the log says, wherever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: vecsim demo",
)
@click.option("--debug", is_flag=True, envvar="VECSIM_DEBUG", help="Show a traceback of errors.")
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    envvar="VECSIM_QUIET",
    help="Only results and errors: no progress, no notes.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the versions that a report of a bug should name.",
)
@click.pass_context
def cli(ctx: click.Context, debug: bool, quiet: bool) -> None:
    """Find the same and alike pictures in sets of images: every pair, none missed.

    A SOURCE is a CSV, TSV or JSON lines file of image URLs, a folder of images, or - for standard
    input. An INDEX is a folder that vecsim keeps.
    """
    ctx.obj = {"quiet": quiet}
    handler = _Notes()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("vecsim")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.WARNING)
    if not quiet:
        # "preparing model …": the first time takes seconds, and people wonder.
        logging.getLogger("vecsim.models").setLevel(logging.INFO)
    # TensorFlow and its kin talk on standard error unless told not to before they are imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def main(args: list[str] | None = None) -> None:
    """Run the command line and end the process with the right status.

    0 done; 1 failed; 2 wrong usage; 3 done, but some images failed; 130 interrupted.
    """
    arguments = sys.argv[1:] if args is None else args
    debug = "--debug" in arguments or bool(os.environ.get("VECSIM_DEBUG"))
    try:
        status: Any = cli.main(args=arguments, prog_name="vecsim", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        _name_variable(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted. What was committed is kept; the same command again carries on.")
        sys.exit(INTERRUPTED)
    except _ReaderGoneError:
        # Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except VecsimError as error:
        if debug:
            traceback.print_exc()
        _say(f"Error: {_text_of(error)}")
        sys.exit(error.exit_status)
    except MemoryError:
        _say("Error: out of memory. Fewer --workers or a smaller --batch-size need less.")
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _say(
            f"Error: vecsim itself failed: {type(error).__name__}: {error}. Nothing committed is "
            f"lost. Please report it with what --debug shows."
        )
        sys.exit(1)


def _text_of(error: VecsimError) -> str:
    """The message, and what to do in the words of the command line."""
    advice = error.hint.phrase(WORDINGS) if error.hint else ""
    return f"{error.message} {advice}".rstrip()


def _name_variable(error: click.ClickException) -> None:
    """Say that a wrong value came from a variable: it is not on the line that was typed."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is click.core.ParameterSource.ENVIRONMENT:
        _say(f"It was set by the variable {error.param.envvar}.")


def _say(text: str) -> None:
    click.echo(text, err=True)
