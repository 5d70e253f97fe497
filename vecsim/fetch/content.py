"""The bytes of images with the facts of their arrival, and reading them from local files."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.handlers import format_date_time

from vecsim import paths, system
from vecsim.errors import FailureKind, ImageError
from vecsim.records import Fetched, ImageFacts


def make_fetched(
    data: bytes,
    *,
    final_url: str,
    http_status: int | None = None,
    etag: str | None = None,
    last_modified: str | None = None,
) -> Fetched:
    """Add facts to `data`: length, SHA-256, origin, and the time of arrival (now, in UTC)."""
    facts = ImageFacts(
        final_url=final_url,
        http_status=http_status,
        byte_count=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        etag=etag,
        last_modified=last_modified,
    )
    return Fetched(data, facts)


def file_has_changed(path: Path, facts: ImageFacts) -> bool:
    """Return whether the file at `path` has another size or time than when `facts` were read.

    A file that was written in the second in which it was read counts as changed, since a later
    change in that second would not show in its time. So does one that is not there.
    """
    try:
        status = os.stat(path)
        read_at = datetime.fromisoformat(facts.fetched_at).timestamp()
    except (OSError, ValueError):
        return True
    modified = format_date_time(status.st_mtime)
    recent = int(status.st_mtime) >= int(read_at)
    return recent or (status.st_size, modified) != (facts.byte_count, facts.last_modified)


def facts_of_unchanged(path: Path, facts: ImageFacts, now: str) -> ImageFacts:
    """Return `facts` of a file that was found to have the same bytes `now`, with its new time."""
    try:
        modified = format_date_time(os.stat(path).st_mtime)
    except OSError:
        return facts
    return replace(facts, last_modified=modified, fetched_at=now)


def read_file(path: Path, url: str, max_bytes: int) -> Fetched:
    """Read the regular file at `path`, which `url` refers to.

    Raises `ImageError` "no-file" (also for a folder, a pipe or a device, which may have no end) or
    "too-large".
    """
    shown = os.fsencode(path).decode("utf-8", "replace")  # messages must be valid text
    try:
        # Without O_NONBLOCK, opening a pipe that has no writer would block forever.
        descriptor = os.open(paths.openable(str(path)), os.O_RDONLY | system.PLAIN)
    except OSError as error:
        raise ImageError(FailureKind.NO_FILE, f"{shown}: {error.strerror or error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            what = (
                "a folder, not a picture" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            )
            raise ImageError(FailureKind.NO_FILE, f"{shown} is {what}")
        if status.st_size > max_bytes:
            raise ImageError(
                FailureKind.TOO_LARGE,
                f"the file has {status.st_size:,} bytes, the limit is {max_bytes:,}",
            )
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            # Room for `max_bytes` would be mapped and given back with each file, which takes longer
            # than the file itself.
            data = stream.read(min(status.st_size + 1, max_bytes))
            if len(data) > status.st_size:  # it grows, or the system cannot say its size
                data += stream.read(max_bytes - len(data))
    except OSError as error:
        raise ImageError(FailureKind.NO_FILE, f"{shown}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    # The same text as `email.utils.formatdate`, whose import is slower than a query by file.
    modified = format_date_time(status.st_mtime)
    return make_fetched(data, final_url=url, last_modified=modified)
