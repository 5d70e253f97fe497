"""Error responses as problem objects (RFC 9457): status, kind, and what a client can do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.responses import Response

from vecsim.errors import (
    DuplicateIdError,
    FailureKind,
    FingerprintError,
    ImageError,
    IndexLockedError,
    InputError,
    ModelError,
    StorageError,
    UnknownIdError,
    UsageError,
    VecsimError,
    VecsimIndexError,
    VectorError,
)
from vecsim.hints import Action

MEDIA_TYPE = "application/problem+json"

WORDINGS: Mapping[Action, str] = {
    # Most advice is for the operator; the client then gets that of the error's class, below.
    **dict.fromkeys(Action, ""),
    Action.REPAIR_INDEX: "Ask the operator of this server to repair the index.",
    Action.VERIFY_INDEX: "Ask the operator of this server to check the index.",
    Action.RESTORE_OR_REPAIR: "Ask the operator of this server to restore or repair the index.",
    Action.SET_ASIDE: "Ask the operator of this server to repair the index.",
    Action.BUILD_INDEX: "Ask the operator of this server to build the index.",
    Action.UPGRADE: "Ask the operator of this server to upgrade vecsim.",
    Action.WAIT_FOR_WRITER: "Try again when it is done.",
    Action.WAIT_LONGER: "Try again when it is done.",
    Action.TRY_AGAIN: "Try again later.",
    Action.WAIT_OR_GET_PERMISSION: "Try again later.",
    Action.CHOOSE_THRESHOLD: "Send a threshold.",
    Action.ADD_ORIENTATIONS: "Ask the operator of this server to store them, or search by a file.",
    Action.RESOLVE_DUPLICATE_ID: 'Choose another id, or send "on_duplicate": "skip" or "replace".',
    Action.SKIP_UNKNOWN_IDS: "List the ids with GET /api/v1/indexes/{{index}}/images.",
    Action.LOWER_THRESHOLD: "Send the threshold with which the groups were found, or keep these "
    "images.",
    Action.ALLOW_PRIVATE: "Ask the operator of this server to allow private addresses.",
}
"""The wording of each kind of advice for a client, for `Hint.phrase`. Clients cannot use options of
the command line: where only the operator of the server can help, the text says so."""

FAILURE_ADVICE: Mapping[FailureKind, str] = {
    FailureKind.BAD_URL: "Send a URL that starts with http:// or https://.",
    FailureKind.DNS: "Check the host name.",
    FailureKind.CONNECT: "Try again later, or upload the picture as a file.",
    FailureKind.TLS: "Upload the picture as a file.",
    FailureKind.TIMEOUT: "Try again later, or upload the picture as a file.",
    FailureKind.HTTP: "Check the URL in a browser, or upload the picture as a file.",
    FailureKind.REDIRECT: "Send the URL to which it redirects.",
    FailureKind.FORBIDDEN_ADDRESS: "Upload the picture as a file. The operator of this server can "
    "allow private addresses.",
    FailureKind.TOO_LARGE: "Send a smaller picture.",
    FailureKind.UNSUPPORTED_FORMAT: "Save it as JPEG, PNG or WebP.",
}
"""What to do about a picture that could not be loaded, by the kind of failure."""

OTHER_FAILURE_ADVICE = "Choose another picture."

_BY_ERROR: Mapping[type[VecsimError], tuple[int, str, str]] = {
    UnknownIdError: (404, "unknown-id", "List the ids with GET /api/v1/indexes/{index}/images."),
    DuplicateIdError: (
        409,
        "duplicate-id",
        'Choose another id, or send "on_duplicate": "skip" or "replace".',
    ),
    IndexLockedError: (409, "locked", "Try again when it is done."),
    FingerprintError: (409, "other-model", "Search this index by id."),
    ModelError: (409, "no-model", "Search this index by id."),
    InputError: (422, "bad-request", ""),
    UsageError: (422, "bad-request", ""),
    VectorError: (422, "bad-vector", "Choose another picture."),
    StorageError: (503, "storage", "Ask the operator of this server."),
    VecsimIndexError: (503, "index", "Ask the operator of this server to check the index."),
}
"""Error class to status, kind and advice; the first class that fits counts."""


class ProblemError(Exception):
    """An error response. `kind` is for programs; `detail` and `advice` are for people."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        advice: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.advice = advice
        self.headers = dict(headers or {})
        self.more = more

    def response(self, request_path: str) -> Response:
        """The JSON response to the request for `request_path`."""
        body = {
            "type": f"urn:vecsim:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "advice": self.advice,
            "instance": request_path,
            "kind": self.kind,
            **self.more,
        }
        text = json.dumps(body, ensure_ascii=True)
        return Response(text, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def problem_from_error(error: VecsimError, path: Path, name: str) -> ProblemError:
    """Translate an error of the index at `path`, which clients know as `name`.

    Clients do not learn where the index is stored: its path is replaced by its name.
    """
    detail = error.message.replace(str(path), name)
    if isinstance(error, ImageError):
        return _image_problem(error, detail)
    status, kind, advice = next(
        (row for error_type, row in _BY_ERROR.items() if isinstance(error, error_type)),
        (500, "failed", "Ask the operator of this server."),
    )
    if error.hint is not None:
        advice = error.hint.phrase(WORDINGS) or advice
    headers = {"Retry-After": "2"} if status == 503 or kind == "locked" else {}
    return ProblemError(status, kind, detail, advice, headers=headers)


def _image_problem(error: ImageError, detail: str) -> ProblemError:
    """Status 422: the request is valid, but its picture could not be loaded."""
    advice = FAILURE_ADVICE.get(error.kind, OTHER_FAILURE_ADVICE)
    more: dict[str, Any] = {} if error.http_status is None else {"http_status": error.http_status}
    return ProblemError(422, error.kind, detail, advice, **more)


def busy(detail: str) -> ProblemError:
    """Status 503: too many requests at once."""
    return ProblemError(503, "busy", detail, "Try again soon.", headers={"Retry-After": "1"})
