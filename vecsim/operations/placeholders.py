"""Pictures that stand for no picture: the same bytes under many ids, a shop's "no image"."""

from __future__ import annotations

from dataclasses import dataclass

from vecsim.errors import UsageError
from vecsim.index import Snapshot

# From how many images on `info` tells of shared bytes; colour variants often share a picture.
SUSPICIOUS = 5

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes that many images have: how many, of how many URLs, and the first of these."""

    sha256: str
    images: int
    urls: int
    examples: list[str]


def shared_pictures(snapshot: Snapshot, least: int = SUSPICIOUS, most: int = 5) -> list[Shared]:
    """The `most` pictures that the most images have, each of them at least `least`."""
    return [
        Shared(found.sha256, found.images, found.urls, snapshot.urls_of(found.sha256, _EXAMPLES))
        for found in snapshot.shared_bytes(least)[:most]
    ]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What was left out: the hashes of the pictures, and how many images have them."""

    hashes: frozenset[str]
    images: int


def hide_placeholders(least: int, *snapshots: Snapshot) -> Hidden:
    """Let `snapshots` answer as if images with placeholders' bytes were not there.

    Bytes (by SHA-256) that at least `least` images of one of the snapshots have are a placeholder
    in all of them. The same picture saved anew has other bytes and is none. Images without known
    bytes (imported vectors) stay. Raises `UsageError`.
    """
    if least < 2:
        raise UsageError(f"skip_placeholders={least}: must be 2 or more; one image is no crowd.")
    hashes = frozenset(
        found.sha256 for snapshot in snapshots for found in snapshot.shared_bytes(least)
    )
    return Hidden(hashes, sum(snapshot.hide(hashes) for snapshot in dict.fromkeys(snapshots)))
