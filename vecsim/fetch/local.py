"""Images that lie on this machine: regular files and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from wsgiref.handlers import format_date_time

from vecsim.errors import FailureKind, ImageError
from vecsim.fetch.facts import fetched
from vecsim.records import Fetched


def read_file(path: Path, url: str, max_bytes: int) -> Fetched:
    """The bytes of the file at `path`; raises `ImageError` "no-file" or "too-large".

    A folder, a pipe or a device is no file: it would have no end.
    """
    shown = os.fsencode(path).decode("utf-8", "replace")  # messages are proper text
    try:
        # Without O_NONBLOCK the mere opening of a pipe nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(FailureKind.NO_FILE, f"{shown}: {error.strerror or error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(FailureKind.NO_FILE, f"{shown} is not a regular file")
        if status.st_size > max_bytes:
            raise ImageError(
                FailureKind.TOO_LARGE,
                f"the file has {status.st_size:,} bytes, the limit is {max_bytes:,}",
            )
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            data = stream.read(max_bytes)
    except OSError as error:
        raise ImageError(FailureKind.NO_FILE, f"{shown}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    # What `email.utils.formatdate` says, which takes longer to import than a query by file may.
    modified = format_date_time(status.st_mtime)
    return fetched(data, final_url=url, last_modified=modified)
