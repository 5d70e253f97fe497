"""Runs functions in forks of this process: no repeated imports, and a crash stays in the fork."""

from __future__ import annotations

import os
import signal
import tempfile
import traceback
from collections.abc import Callable

from vecsim.errors import VecsimError

SECONDS = 600


def forked(work: Callable[[], str], seconds: int = SECONDS) -> tuple[int, str]:
    """Run `work` in a fork; return the exit status and the text that it returned.

    A fork that runs longer than `seconds` is killed by its alarm.

    The status is 0, or 1 if a `VecsimError` was raised, or 2 for any other exception (the text is
    then that of the error), or the negative number of the signal that ended it.
    """
    with tempfile.TemporaryFile() as answer:
        child = os.fork()
        if not child:
            signal.alarm(seconds)
            try:
                text, status = work(), 0
            except VecsimError as error:
                text, status = str(error), 1
            except BaseException:
                text, status = traceback.format_exc(), 2
            os.pwrite(answer.fileno(), text.encode(), 0)
            os._exit(status)
        _, ended = os.waitpid(child, 0)
        answer.seek(0)
        return os.waitstatus_to_exitcode(ended), answer.read().decode()


def said_by(work: Callable[[], object]) -> Callable[[], str]:
    """`work` for `forked`, which returns what it writes to standard output and error."""

    def redirected() -> str:
        with tempfile.TemporaryFile() as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                work()
            finally:
                output.seek(0)
                text = output.read().decode(errors="replace")
            return text

    return redirected
