"""The interface of every model, of this package or another."""

from __future__ import annotations

from typing import Protocol

from vecsim.records import Fingerprint, Float32, Preparation, UInt8


class Embedder(Protocol):
    """A model that is loaded: prepared pictures in, embeddings out.

    vecsim fetches and decodes the pictures, prepares them as `preparation` says and calls `embed`
    with batches of them, from one thread at a time. Any object with these four members will do.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """What identifies the vectors of this model.

        Two models whose vectors must not be compared need different fingerprints.
        `fingerprint.preprocessing` is `preparation.text`.
        """

    @property
    def preparation(self) -> Preparation:
        """How pictures are prepared for `embed`."""

    @property
    def threshold(self) -> float | None:
        """The score from which this model's pairs usually show the same picture; None: unknown."""

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures.

        `pixels`: uint8 (n, size, size, 3), or (n, size, size) for mode "L", n >= 1.
        Returns float32 (n, dim), of any length. A row must depend on its own picture only, to the
        last bit: the same picture must have the same vector in every batch.
        """
