"""What becomes of an image in the pipeline: its embedding or a failure, with facts of its fetch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias

from vecsim.errors import ImageError
from vecsim.pipeline.embedding import EmbeddingResult
from vecsim.records import Embedded, Failure, ImageFacts, ImageRef

Outcome: TypeAlias = Embedded | Failure


def not_modified_facts(earlier: ImageFacts, answer: ImageFacts) -> ImageFacts:
    """Return the facts of an image that the server calls not modified (304).

    The facts of its bytes are those of the `earlier` fetch; the final URL, the time and the
    validators are those of the `answer`.
    """
    return replace(
        earlier,
        final_url=answer.final_url,
        fetched_at=answer.fetched_at,
        etag=answer.etag or earlier.etag,
        last_modified=answer.last_modified or earlier.last_modified,
    )


def outcome_of(ref: ImageRef, facts: ImageFacts, result: EmbeddingResult) -> Outcome:
    """Return what becomes of an image whose bytes have this `result`, fetched with `facts`."""
    if isinstance(result, ImageError):
        # The error may come from another reference with the same bytes: its status and final URL
        # are replaced by those of this one's own fetch.
        failure = failure_of(ref, result)
        return replace(failure, http_status=facts.http_status, final_url=facts.final_url)
    picture = result.add_picture_facts(facts)
    return Embedded(ref, picture, result.vector, result.thumbnail, result.turned)


def failure_of(ref: ImageRef, error: ImageError) -> Failure:
    """Return the failure of an image, as of now."""
    return Failure(
        ref,
        error.kind,
        error.message,
        http_status=error.http_status,
        final_url=error.final_url,
        attempts=error.attempts,
        last_try=datetime.now(UTC).isoformat(timespec="seconds"),
    )
