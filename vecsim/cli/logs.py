"""Where log messages of a run go: plain messages on standard error, or lines; a file of lines."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import click

from vecsim.cli.run_record import RunRecord, RunSettings, current_run
from vecsim.errors import StorageError
from vecsim.render.log_lines import LogLines

LEVELS = ("debug", "info", "warning", "error")

_messages = logging.getLogger("vecsim.messages")
"""What the command line says to its user; the plain text is written by `tell`."""

_run = logging.getLogger("vecsim.run")
"""The beginning and the end of a run."""

_SHOWN_FROM_INFO = ("vecsim.models", "vecsim.engines.ray", "vecsim.engines.ray_connection")
"""Whose notes are shown, because a preparation takes seconds: "preparing model …"."""


class _LogToStderr(logging.Handler):
    """Writes log messages to the current `sys.stderr`."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def tell(text: str, level: int = logging.INFO) -> None:
    """Write a message of the command to standard error and to the log.

    With --quiet, those below a warning go to the log file only.
    """
    run = current_run()
    run.remember(text, level)
    _messages.log(level, "%s", text)
    hidden = run.settings.quiet and level < logging.WARNING
    if not hidden and not run.settings.has_lines_on_terminal:
        click.echo(text, err=True)


def log_error(text: str, *, traceback: bool = False) -> None:
    """Write an error, which standard error has already, to the log; keep it for the summary."""
    current_run().remember(text, logging.ERROR)
    _messages.error("%s", text, exc_info=traceback)


def change_settings(**changed: Any) -> None:
    """Change settings of this run, and where its log messages go. Raises `StorageError`."""
    run = current_run()
    run.settings = replace(run.settings, **changed)
    open_logs(run)


def open_logs(run: RunRecord) -> None:
    """Send log messages where the settings of `run` say. Raises `StorageError`."""
    settings = run.settings
    close_logs()
    handlers = [_terminal_handler(run)]
    if settings.file is not None:
        handlers.append(_file_handler(run))
    logger = logging.getLogger("vecsim")
    logger.handlers[:] = handlers
    logger.setLevel(min(handler.level for handler in handlers))
    lowest = min(logging.INFO, logger.level)
    for name in (_messages.name, _run.name):
        logging.getLogger(name).setLevel(lowest)
    for name in _SHOWN_FROM_INFO:
        shown = settings.file is not None or not settings.quiet
        logging.getLogger(name).setLevel(lowest if shown else logging.NOTSET)


def close_logs() -> None:
    """Close the log file."""
    logger = logging.getLogger("vecsim")
    for handler in logger.handlers:
        handler.close()
    logger.handlers.clear()


def begin_command(command: str) -> None:
    """Log which command begins, and begin its summary; raises `StorageError`.

    The arguments are not logged: they may hold secrets.
    """
    run = current_run()
    run.command = command
    if _run.isEnabledFor(logging.INFO) and run.settings.is_logged:
        from importlib.metadata import version

        _run.info("begins", extra={"facts": {"command": command, "version": version("vecsim")}})
    run.write_summary(None)


def log_end(status: int, meaning: str) -> None:
    """Log how the run ended."""
    run = current_run()
    if not run.settings.is_logged:
        return
    facts = {"command": run.command, "status": status, "result": meaning, "duration": run.seconds}
    _run.info("ends", extra={"facts": facts})


def lines(run: RunRecord) -> LogLines:
    """Return the formatter of this run's lines."""
    return LogLines(run.settings.format or "text", run.id)


def _terminal_handler(run: RunRecord) -> logging.Handler:
    settings = run.settings
    handler = _LogToStderr()
    if settings.has_lines_on_terminal:
        handler.setFormatter(lines(run))
        handler.setLevel(_level(settings, logging.WARNING if settings.quiet else logging.INFO))
        return handler
    handler.setFormatter(logging.Formatter("%(message)s"))
    usual = logging.ERROR if settings.quiet else logging.WARNING
    # With a file, --log-level is that of the file.
    level = usual if settings.file is not None and not settings.debug else _level(settings, usual)

    def shows(record: logging.LogRecord) -> bool:
        if record.name == _messages.name or record.name == _run.name:
            return False
        return record.levelno >= level or (
            record.name.startswith(_SHOWN_FROM_INFO)
            and record.levelno >= logging.INFO
            and not settings.quiet
        )

    handler.addFilter(shows)
    handler.setLevel(min(level, logging.WARNING))
    if not settings.quiet:
        handler.setLevel(min(level, logging.INFO))
    return handler


def _file_handler(run: RunRecord) -> logging.Handler:
    from logging.handlers import WatchedFileHandler

    file = run.settings.file
    assert file is not None
    try:
        handler = WatchedFileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(f"{file}: the log cannot be written ({error.strerror}).") from error
    handler.setFormatter(lines(run))
    handler.setLevel(_level(run.settings, logging.INFO))
    return handler


def _level(settings: RunSettings, usual: int) -> int:
    if settings.debug:
        return logging.DEBUG
    return usual if settings.level is None else int(getattr(logging, settings.level.upper()))
