"""What is noted about bytes when they arrive."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from vecsim.records import Fetched, ImageFacts


def fetched(
    data: bytes,
    *,
    final_url: str,
    http_status: int | None = None,
    etag: str | None = None,
    last_modified: str | None = None,
) -> Fetched:
    """`data` with its provenance: length, SHA-256 and the time, now (UTC, whole seconds)."""
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
