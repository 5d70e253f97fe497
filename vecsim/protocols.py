"""The interface of every model, and how pictures are prepared for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vecsim.records import Fingerprint, Float32, UInt8

_RESAMPLE_VERSIONS = {"nearest": 1, "smooth": 2, "lanczos": 1, "bicubic": 1}
_CHANNELS = {"RGB": 3, "L": 1}
_PREPARATION_CHOICES = {
    "resample": tuple(_RESAMPLE_VERSIONS),
    "mode": tuple(_CHANNELS),
    "colours": ("stored", "srgb"),
    "ground": ("white", "contrast"),
    "margins": ("kept", "trimmed"),
}


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a decoded picture becomes a model's input: a square of `size` pixels.

    `resample`: "nearest" (the predecessor's), "smooth", "bicubic" or "lanczos". "smooth" is
    antialiased bilinear, after averaging to 1/2, 1/3, ... where that still leaves `size` pixels; a
    JPEG is decoded at 1/2, 1/4 or 1/8 to begin with. `mode`: "RGB" or "L" (grey; with "smooth" and
    stored colours, the luma that a JPEG stores).
    `colours`: "stored", or "srgb": converted from the colour profile of the picture. `ground` under
    transparent pixels: "white", or "contrast": black where nothing of the picture shows on white.
    `margins` of one colour: "kept", or "trimmed" (`vecsim.decode.margins`). `crop`: 0 to squash the
    whole picture, or the side of the square in its middle that is taken, as a share of its shorter
    side.

    Whatever changes a pixel belongs here and into `text`. A field that is added later needs a
    default that means "as before" and adds to `text` only where it differs from that default:
    then the texts of existing indexes stay as they are.

    >>> vecsim.Preparation(224, "smooth").text
    'smooth-224-v2'
    """

    size: int
    resample: str
    mode: str = "RGB"
    colours: str = "stored"
    ground: str = "white"
    margins: str = "kept"
    crop: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"{self}: size must be at least 1")
        if not 0 <= self.crop <= 1 or round(self.crop, 4) != self.crop:
            raise ValueError(f"{self}: crop must be from 0 to 1, with at most four decimals")
        for name, allowed in _PREPARATION_CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{self}: {name} must be one of {', '.join(allowed)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared picture: (size, size, 3), or (size, size) for mode "L"."""
        side = (self.size, self.size)
        return side if self.mode == "L" else (*side, _CHANNELS[self.mode])

    @property
    def takes_luma(self) -> bool:
        """Whether grey is the stored luma of a picture in YCbCr, as most JPEGs are.

        The colours of such a picture are decoded only if a thumbnail is made too.
        """
        return (self.resample, self.mode, self.colours) == ("smooth", "L", "stored")

    @property
    def text(self) -> str:
        """The preparation as one word with a version, as fingerprints hold it: "nearest-224-v1".

        The version of a resample changes whenever its pixels do.
        """
        # "smooth" takes the luma since its version 3; where it takes none, nothing has changed.
        version = _RESAMPLE_VERSIONS[self.resample] + self.takes_luma
        usual_mode = "L" if self.resample == "lanczos" else "RGB"
        mode = "" if self.mode == usual_mode else f"-{self.mode}"
        colours = "" if self.colours == "stored" else f"-{self.colours}"
        ground = "" if self.ground == "white" else f"-{self.ground}"
        margins = "" if self.margins == "kept" else f"-{self.margins}"
        crop = f"-crop{self.crop:g}" if self.crop else ""
        return f"{self.resample}-{self.size}{mode}{colours}{ground}{margins}{crop}-v{version}"


class Embedder(Protocol):
    """A model that is loaded: prepared pictures in, embeddings out.

    vecsim fetches and decodes the pictures, prepares them as `preparation` says and calls `embed`
    with batches of them, from one thread at a time. Any object with these four members will do.

    >>> class MeanColour:
    ...     preparation = vecsim.Preparation(32, "smooth")
    ...     fingerprint = vecsim.Fingerprint("mean-colour", "", preparation.text, 3)
    ...     threshold = None
    ...
    ...     def embed(self, pixels):
    ...         return pixels.mean(axis=(1, 2), dtype="float32")
    >>> vecsim.embed(["Pictures/1.jpg", "Pictures/2.jpg"], MeanColour()).shape
    (2, 3)
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
