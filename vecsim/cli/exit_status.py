"""Exit statuses of the command, with their names and meanings; the table of the documentation."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the command ends with."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    SOME_FAILED = 3
    LOCKED = 75
    INTERRUPTED = 130
    """As shells expect of a program that was ended by Ctrl-C."""


MEANINGS = {
    ExitStatus.DONE: "Done, also if the reader of standard output closed it early (`head`).",
    ExitStatus.FAILED: "An error, which the last message names; or `verify` found problems, or no "
    "image of a list was found. What was committed is kept.",
    ExitStatus.WRONG_USAGE: "Wrong arguments or options: nothing was begun.",
    ExitStatus.SOME_FAILED: "Done, but some images, files or rows failed: `vecsim failures` lists "
    "images, the output of `apply` files.",
    ExitStatus.LOCKED: "Another process is writing to the index, uses the journal, or reads what "
    "is to be replaced. `--wait` and `--lock-wait` wait for a writer; or try again later.",
    ExitStatus.INTERRUPTED: "Ctrl-C, SIGTERM or SIGHUP. What was committed is kept, and the same "
    "command continues.",
}


def meaning_of(status: int | None) -> str:
    """Return one word for a status, such as "some-failed"; "running" for None."""
    if status is None:
        return "running"
    try:
        return ExitStatus(status).name.lower().replace("_", "-")
    except ValueError:
        return "failed"
