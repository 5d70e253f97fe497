"""One tree of errors: everything vecsim raises on purpose is a `VecsimError`.

Every message says what is wrong, where (file, line, id or URL) and what to do.
`exit_status` is what the command line ends with when the error reaches it.
"""


class VecsimError(Exception):
    """Base of all errors raised by vecsim on purpose."""

    exit_status = 1


class UsageError(VecsimError):
    """An argument that cannot be meant: a threshold of 3, `top_k=0`, two modes at once."""

    exit_status = 2


class InputError(VecsimError):
    """A source (CSV, JSON lines, folder) that cannot be read as what it claims to be."""


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
    """Another process is writing to the index."""


class IndexDamagedError(VecsimIndexError):
    """A file of the index is missing, cut, or not what its catalog says."""


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
    """One image that could not be had. It becomes a `Failure` row, never ends a run.

    `kind` is one of `FAILURE_KINDS`.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        http_status: int | None = None,
        final_url: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.http_status = http_status
        self.final_url = final_url
        self.attempts = attempts


FAILURE_KINDS = (
    "bad-url",  # not an address that vecsim fetches
    "dns",  # the host name does not resolve
    "connect",  # refused, unreachable, reset
    "tls",  # the certificate is not to be trusted
    "timeout",  # connect, read, or the total deadline of one image
    "http",  # a status other than 200
    "redirect",  # too many, or to somewhere that is not fetched
    "forbidden-address",  # refused by the guard against internal addresses
    "too-large",  # bytes or pixels over the limit
    "truncated",  # fewer bytes than promised, or an image cut short
    "not-an-image",  # HTML, text, nothing
    "unsupported-format",  # an image format that is switched off
    "damaged",  # an image that cannot be decoded
    "no-file",  # a path that is not there
    "crashed",  # the decoder died or did not end
    "lost",  # was in the index until a file was damaged
    "bad-vector",  # the model returned no direction (zero or not finite)
)
