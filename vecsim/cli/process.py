"""The process of the command line: exit statuses, error messages, quick start and end."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from typing import Any

import click

from vecsim.cli.group import cli
from vecsim.cli.messages import INTERRUPTED, WORDINGS
from vecsim.errors import OutputClosedError, StoppedError, VecsimError
from vecsim.render.terminal import clean_terminals

_FIRST_COLLECTION = 100_000
"""Objects until the first garbage collection: more than a short command, such as a query, makes."""


def run() -> None:
    """Run the command line of this process and end the process: the console script `vecsim`."""
    _delay_first_collection()
    status: list[int] = []

    def end() -> None:
        """Exit without destroying all modules, which would take a fifth of a query's time."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        if status:
            os._exit(status[0])

    # The handler registered first runs last, after those of all libraries.
    atexit.register(end)
    try:
        main()
    except SystemExit as exit_:
        if isinstance(exit_.code, int):
            status.append(exit_.code)
        raise


def _delay_first_collection() -> None:
    """Delay the first garbage collection; later ones run as often as usual.

    Imports create many objects and no garbage, so that collections during them waste time. A long
    run creates much garbage: without collections it would hold hundreds of megabytes.
    """
    usual = gc.get_threshold()

    def restore(phase: str, info: dict[str, int]) -> None:
        gc.callbacks.remove(restore)
        gc.set_threshold(*usual)

    gc.callbacks.append(restore)
    gc.set_threshold(_FIRST_COLLECTION)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its status.

    0: done; 1: failed; 2: wrong usage; 3: done, but some images failed; 130: interrupted.
    """
    with clean_terminals():
        _main(args)


def _main(args: list[str] | None) -> None:
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
    except (KeyboardInterrupt, click.Abort, StoppedError):
        _say("Interrupted. Committed work is kept; run the same command again to continue.")
        sys.exit(INTERRUPTED)
    except OutputClosedError:
        # Python flushes standard output at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except VecsimError as error:
        if debug:
            traceback.print_exc()
        _say(f"Error: {_text_of(error)}")
        sys.exit(error.exit_status)
    except MemoryError:
        _say("Error: out of memory. Use fewer --workers or a smaller --batch-size.")
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _say(
            f"Error: unexpected {type(error).__name__}: {error}. Committed work is kept. Please "
            f"report this with the output of --debug."
        )
        sys.exit(1)


def _text_of(error: VecsimError) -> str:
    """Return the message and the hint in the words of the command line."""
    advice = error.hint.phrase(WORDINGS) if error.hint else ""
    return f"{error.message} {advice}".rstrip()


def _name_variable(error: click.ClickException) -> None:
    """If an invalid value came from an environment variable, name the variable."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is click.core.ParameterSource.ENVIRONMENT:
        _say(f"The value comes from the environment variable {error.param.envvar}.")


def _say(text: str) -> None:
    click.echo(text, err=True)
