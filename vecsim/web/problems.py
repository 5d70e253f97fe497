"""What went wrong, as a problem object (RFC 9457): what, where, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.responses import Response

from vecsim.errors import (
    DuplicateIdError,
    FingerprintError,
    ImageError,
    IndexLockedError,
    ModelError,
    StorageError,
    UnknownIdError,
    UsageError,
    VecsimError,
    VecsimIndexError,
    VectorError,
)

MEDIA_TYPE = "application/problem+json"

_STATUS: Mapping[type[VecsimError], tuple[int, str, str]] = {
    UnknownIdError: (404, "unknown-id", "List the ids with GET /api/v1/indexes/{index}/images."),
    DuplicateIdError: (
        409,
        "duplicate-id",
        'Choose another id, or send "on_duplicate": "skip" or "replace".',
    ),
    IndexLockedError: (409, "locked", "Try again when it is done."),
    FingerprintError: (409, "other-model", "Search this index by id."),
    ModelError: (409, "no-model", "Search this index by id."),
    UsageError: (422, "bad-request", ""),
    VectorError: (422, "bad-vector", "Choose another picture."),
    StorageError: (503, "storage", "Ask whoever runs this server."),
    VecsimIndexError: (503, "index", "Ask whoever runs this server to look at the index."),
}
"""Error class to status, kind and what to do; the first that fits, in this order."""


class ProblemError(Exception):
    """An answer that is a problem. `kind` is for programs, the sentences are for people."""

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

    def response(self, where: str) -> Response:
        """The answer to the request for `where`."""
        body = {
            "type": f"urn:vecsim:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "advice": self.advice,
            "instance": where,
            "kind": self.kind,
            **self.more,
        }
        text = json.dumps(body, ensure_ascii=True)
        return Response(text, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def problem_of(error: VecsimError, path: Path | None = None, name: str = "") -> ProblemError:
    """The problem that an error is. Where the index lies on this machine is nobody's business."""
    text = str(error)
    if path is not None:
        text = text.replace(str(path), name)
        # Options of the command line are not what a visitor can use.
        sentences = text.split(". ")
        text = ". ".join(sentences[:1] + [each for each in sentences[1:] if "--" not in each])
        text = text.rstrip(".") + "."
    if isinstance(error, ImageError):
        return _image_problem(error, text)
    for kind, (status, word, advice) in _STATUS.items():
        if isinstance(error, kind):
            headers = {"Retry-After": "2"} if status == 503 or word == "locked" else {}
            return ProblemError(status, word, text, advice, headers=headers)
    return ProblemError(500, "failed", text, "Ask whoever runs this server.")


_IMAGE_ADVICE = {
    "bad-url": "Give a URL that starts with http:// or https://.",
    "dns": "Check the host's name.",
    "connect": "Try again later, or hand the picture over as a file.",
    "tls": "Hand the picture over as a file.",
    "timeout": "Try again later, or hand the picture over as a file.",
    "http": "Check the URL in a browser, or hand the picture over as a file.",
    "redirect": "Give the URL that it leads to.",
    "forbidden-address": "Hand the picture over as a file. Whoever runs this server can allow "
    "private addresses.",
    "too-large": "Make it smaller.",
    "unsupported-format": "Save it as JPEG, PNG or WebP.",
}


def _image_problem(error: ImageError, text: str) -> ProblemError:
    """A picture that could not be had: the request was understood, its picture was not."""
    advice = _IMAGE_ADVICE.get(error.kind, "Choose another picture.")
    more: dict[str, Any] = {} if error.http_status is None else {"http_status": error.http_status}
    return ProblemError(422, error.kind, text, advice, **more)


def busy(detail: str) -> ProblemError:
    """Too much at once."""
    return ProblemError(503, "busy", detail, "Try again soon.", headers={"Retry-After": "1"})
