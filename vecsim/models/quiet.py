"""Keeping the chatter of C++ libraries off the user's terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere.

    TensorFlow and LiteRT log from C++ before any setting of theirs is read (TF_CPP_MIN_LOG_LEVEL=3
    leaves four lines, LiteRT has no setting at all). Errors still arrive as exceptions. The
    descriptor belongs to the whole process, so wrap single calls, never a run.
    """
    _flush()
    try:
        kept = os.dup(2)
    except OSError:  # a service may have closed it: then there is nothing to silence
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _flush()
        os.dup2(kept, 2)
        os.close(kept)


def _flush() -> None:
    """Write out what Python still holds for stderr, on whichever side it belongs."""
    if sys.stderr is not None:  # `pythonw` has none
        sys.stderr.flush()
