"""The command line as a process of its own, which begins and ends quickly."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from typing import Any

import click

from vecsim.cli.group import cli
from vecsim.cli.hints import WORDINGS
from vecsim.cli.messages import INTERRUPTED
from vecsim.errors import OutputClosedError, VecsimError

_SHORT_COMMAND = 100_000
"""Objects that a command makes which only asks an index something, at the most."""


def run() -> None:
    """Run the command that the process was started with, and end it."""
    _put_off_collecting()
    status: list[int] = []

    def end() -> None:
        """End without taking every module apart, which would take a fifth of a query's time."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        if status:
            os._exit(status[0])

    # What is registered first is called last: after all that others have to do in the end.
    atexit.register(end)
    try:
        main()
    except SystemExit as exit_:
        if isinstance(exit_.code, int):
            status.append(exit_.code)
        raise


def _put_off_collecting() -> None:
    """Have Python look for garbage late for the first time, and then as often as ever.

    Imports make many objects and no garbage: looking for some all the while takes long. A long run
    makes much, and would hold hundreds of megabytes of it.
    """
    usual = gc.get_threshold()

    def first(phase: str, info: dict[str, int]) -> None:
        gc.callbacks.remove(first)
        gc.set_threshold(*usual)

    gc.callbacks.append(first)
    gc.set_threshold(_SHORT_COMMAND)


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
        _say("Interrupted. Committed work is kept; run the same command again to continue.")
        sys.exit(INTERRUPTED)
    except OutputClosedError:
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
