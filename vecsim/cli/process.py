"""The process of the command line: exit statuses, error messages, quick start and end."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import click

from vecsim.cli.exit_status import ExitStatus, meaning_of
from vecsim.cli.group import cli
from vecsim.cli.logs import close_logs, log_end, log_error, open_logs, tell
from vecsim.cli.messages import WORDINGS
from vecsim.cli.run_record import begin_run, current_run
from vecsim.errors import (
    OutputClosedError,
    StoppedError,
    StorageError,
    UsageError,
    VecsimError,
)
from vecsim.render.terminal import clean_terminals

_FIRST_COLLECTION = 400_000
"""Objects until the first garbage collection: more than a short command, such as a query, makes."""


def run() -> None:
    """Run the command line of this process and end the process: the console script `vecsim`."""
    _delay_first_collection()
    _let_blas_rest()
    sys.meta_path.insert(0, _WithoutPandas())
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


def _let_blas_rest() -> None:
    """Let threads of NumPy's BLAS sleep while they have no work; before NumPy is imported.

    By themselves they look for work for a tenth of a second, also when NumPy has just started them.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # as a power of 2: processor cycles


class _WithoutPandas:
    """Hides pandas from sqlite-utils, which would import it for half a second to know its types."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Raise `ImportError` for pandas while sqlite-utils is imported; find nothing else."""
        if name == "pandas":
            importing = sys.modules.get("sqlite_utils.db")
            if importing is not None and not hasattr(importing, "Database"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)


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
    """Run the command line and exit with its status: see `ExitStatus`."""
    with clean_terminals():
        status = _main(sys.argv[1:] if args is None else args)
    sys.exit(status)


def _main(arguments: list[str]) -> int:
    """Run the command line; return its exit status, which its log and summary have too."""
    try:
        run = begin_run()
    except UsageError as error:
        click.echo(f"Error: {error.message} The value comes from VECSIM_RUN_ID.", err=True)
        return ExitStatus.WRONG_USAGE
    open_logs(run)  # else Python would print errors of the log, which are on the screen already
    status = _run_command(arguments)
    try:
        run.write_summary(status)
    except StorageError as error:
        _say(f"Error: {_text_of(error)}")
        status = status or ExitStatus.FAILED
    if run.command:
        log_end(status, meaning_of(status))
    close_logs()
    return status


def _run_command(arguments: list[str]) -> int:
    debug = "--debug" in arguments or bool(os.environ.get("VECSIM_DEBUG"))
    try:
        status: Any = cli.main(args=arguments, prog_name="vecsim", standalone_mode=False)
        return status if isinstance(status, int) else ExitStatus.DONE
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        if not current_run().settings.has_lines_on_terminal:
            error.show()
        _log(error, f"Error: {error.format_message()}")
        _name_variable(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort, StoppedError):
        _say("Interrupted. Committed work is kept; run the same command again to continue.")
        return ExitStatus.INTERRUPTED
    except OutputClosedError:
        # Python flushes standard output at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.DONE
    except VecsimError as error:
        return _failed(error, f"Error: {_text_of(error)}", debug, error.exit_status)
    except MemoryError as error:
        return _failed(
            error, "Error: out of memory. Use fewer --workers or a smaller --batch-size."
        )
    except Exception as error:
        text = (
            f"Error: unexpected {type(error).__name__}: {error}. Committed work is kept. Please "
            f"report this with the output of --debug."
        )
        return _failed(error, text, debug)


def _failed(
    error: BaseException, text: str, debug: bool = False, status: int = ExitStatus.FAILED
) -> int:
    """Write an error; return the exit status."""
    if debug:
        traceback.print_exc()
    if not current_run().settings.has_lines_on_terminal:
        click.echo(text, err=True)
    _log(error, text)
    return status


def _log(error: BaseException, text: str) -> None:
    """Log an error, with its traceback if it was not raised on purpose."""
    current_run().error = {"type": type(error).__name__, "message": text.removeprefix("Error: ")}
    log_error(text, traceback=not isinstance(error, VecsimError | click.ClickException))


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
    tell(text, logging.ERROR)
