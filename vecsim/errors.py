"""One tree of errors: everything vecsim raises on purpose is a `VecsimError`.

A message says what is wrong and where (file, line, id or URL); a hint says what to do, which each
face (library, command line, web) phrases in its own words. `exit_status` is the status with which
the command line ends when the error reaches it.
"""

from __future__ import annotations

from enum import StrEnum

from vecsim.hints import LIBRARY_WORDINGS, Hint


class FailureKind(StrEnum):
    """Why an image could not be loaded; the value is what is stored and printed."""

    BAD_URL = "bad-url"  # not an address that vecsim fetches
    DNS = "dns"  # the host name does not resolve
    CONNECT = "connect"  # refused, unreachable, reset
    TLS = "tls"  # the certificate is not trusted
    TIMEOUT = "timeout"  # connect, read, or the total deadline of one image
    HTTP = "http"  # a status other than 200
    REDIRECT = "redirect"  # too many, or to an address that is not fetched
    FORBIDDEN_ADDRESS = "forbidden-address"  # refused by the guard against internal addresses
    TOO_LARGE = "too-large"  # bytes or pixels over the limit
    TRUNCATED = "truncated"  # fewer bytes than promised, or an image cut short
    NOT_AN_IMAGE = "not-an-image"  # HTML, text, nothing
    UNSUPPORTED_FORMAT = "unsupported-format"  # an image format that is switched off
    DAMAGED = "damaged"  # an image that cannot be decoded
    NO_FILE = "no-file"  # a path at which there is no file
    CRASHED = "crashed"  # the decoder process died or did not end
    LOST = "lost"  # was in the index until one of its files was damaged
    CHANGED = "changed"  # the bytes at the address are not those that were indexed
    CONFLICT = "conflict"  # the id is listed with two URLs
    BAD_ROW = "bad-row"  # a row of a list that cannot be read
    BAD_VECTOR = "bad-vector"  # the model returned no direction (zero or not finite)


class VecsimError(Exception):
    """Base of all errors that vecsim raises on purpose.

    `message` names no command and no option. `str(error)` is the message, followed by the hint in
    the library's words.

    >>> try:
    ...     vecsim.Index.open("nowhere")
    ... except vecsim.VecsimError as error:
    ...     print(error)
    nowhere: ...
    """

    exit_status = 1

    def __init__(self, message: str, *, hint: Hint | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        advice = self.hint.phrase(LIBRARY_WORDINGS) if self.hint else ""
        return f"{self.message} {advice}".rstrip()


class UsageError(VecsimError):
    """An invalid argument: a threshold of 3, `top_k=0`, two modes at once."""

    exit_status = 2


class InputError(VecsimError):
    """A source (CSV, JSON lines, folder) that cannot be read as what it claims to be."""


class StoppedError(VecsimError):
    """The reading of a source was stopped, by a signal. What was committed is kept."""

    exit_status = 130


class DuplicateIdError(InputError):
    """An id that already stands for another URL."""


class VectorError(VecsimError):
    """A vector that has no direction (zero, not finite) or the wrong dimension."""


class ModelError(VecsimError):
    """A model that is unknown, or whose weights are missing or not its own."""


class VecsimIndexError(VecsimError):
    """Base of what can be wrong with an index directory."""


class IndexMissingError(VecsimIndexError):
    """No index at that path."""


class IndexExistsError(VecsimIndexError):
    """There is an index, or something else, where a new one should be made."""


class IndexLockedError(VecsimIndexError):
    """Another process is writing to the index, or uses the journal."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: the same may succeed later


class IndexDamagedError(VecsimIndexError):
    """A file of the index is missing, cut, or not what its catalog says."""


class MisplacedFileError(IndexDamagedError):
    """In the place of a file of the index is a link, a pipe or another thing that is not opened."""


class IndexFormatError(VecsimIndexError):
    """The index was written by a version of vecsim that this one does not know."""


class FingerprintError(VecsimIndexError):
    """Vectors of two different models were about to meet."""


class UnknownIdError(VecsimIndexError):
    """No image of that id in the index."""


class StorageError(VecsimError):
    """The disk refused: read-only, full, no permission."""


class MissingExtraError(VecsimError):
    """An optional dependency is not installed; the message names the extra."""


class ClusterError(VecsimError):
    """The cluster cannot be reached, or does not do its part."""


class ImageError(VecsimError):
    """One image that could not be loaded. It becomes a `Failure` row and never ends a run."""

    def __init__(
        self,
        kind: FailureKind | str,
        message: str,
        *,
        http_status: int | None = None,
        final_url: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.kind = FailureKind(kind)
        self.http_status = http_status
        self.final_url = final_url
        self.attempts = attempts


FAILURE_KINDS = tuple(FailureKind)
"""All kinds of failure."""


class OutputClosedError(Exception):
    """The reader of standard output closed it, like `| head`; ends a command without an error."""
