"""Placeholder pictures: the same bytes under many ids, such as a shop's "no image"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vecsim.catalog import SharedBytes
from vecsim.index import Snapshot

# From how many images on shared bytes are listed; colour variants often share a picture.
SUSPICIOUS = 5

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Pictures that a search leaves out: the SHA-256 of each, and how many images have them."""

    hashes: frozenset[str] = frozenset()
    images: int = 0


def shared_pictures(
    snapshot: Snapshot, least: int = SUSPICIOUS, most: int = 5
) -> list[SharedBytes]:
    """The `most` pictures that the most images have, each of them at least `least`."""
    return [
        replace(found, examples=tuple(snapshot.urls_of(found.sha256, _EXAMPLES)))
        for found in snapshot.shared_bytes(least)[:most]
    ]


def hide_placeholders(least: int | None, *snapshots: Snapshot) -> Placeholders:
    """Hide images with placeholder bytes in `snapshots`; None hides nothing.

    Bytes (by SHA-256) that at least `least` images of one of the snapshots have are a placeholder
    in all of them. The same picture saved again has other bytes and is none. Images without known
    bytes (imported vectors) stay.
    """
    if least is None:
        return Placeholders()
    hashes = frozenset(
        found.sha256 for snapshot in snapshots for found in snapshot.shared_bytes(least)
    )
    return Placeholders(hashes, sum(snapshot.hide(hashes) for snapshot in dict.fromkeys(snapshots)))
