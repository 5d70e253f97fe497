"""The seam of the house: what an embedder must be able to do."""

from __future__ import annotations

from typing import Protocol

from vecsim.records import Fingerprint, Float32, Preparation, UInt8


class Embedder(Protocol):
    """A model: prepared pixels in, embeddings out."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What identifies the vectors of this model."""

    @property
    def preparation(self) -> Preparation:
        """How pictures must be prepared for `embed`."""

    @property
    def threshold(self) -> float:
        """The score from which this model's pairs usually show the same picture."""

    def embed(self, pixels: UInt8) -> Float32:
        """Embed prepared pictures.

        `pixels`: uint8 (n, size, size, 3), or (n, size, size) for mode "L", n >= 1.
        Returns float32 (n, dim), not normalised; each row depends on its own picture only,
        to the last bit.
        """
