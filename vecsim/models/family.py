"""What a family of models provides, and what it is asked for: the seam that models plug into.

`vecsim/models/families/` has the families of this package; docs/how-to/add-model.md shows one of
another package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vecsim.errors import FingerprintError, ModelError, UsageError
from vecsim.hints import Action, Hint
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Fingerprint

DEVICES = ("auto", "cpu", "gpu")
COMPARED_DEVICES = ("keras-cpu", "torch-cpu")
"""The libraries of GPUs on a CPU: for tests, and to convert and compare. No face offers them."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is, apart from its weights. Made without loading anything.

    `dim`: length of its vectors. `preparation`: how pictures are prepared for it. `threshold`: the
    score from which its pairs usually show the same picture. `speed`: "fast", "medium" or "slow".
    `copies_found`: share of edited copies found at 99.9 % precision, None where not measured.
    `aliases`: further names that mean this model. `oriented_thresholds`: for settings of
    orientations in which more pairs of different pictures reach the threshold, a higher one
    (benchmarks/orientations.py).
    """

    name: str
    dim: int
    preparation: Preparation
    threshold: float
    description: str
    speed: str = "medium"
    copies_found: float | None = None
    aliases: tuple[str, ...] = ()
    oriented_thresholds: tuple[tuple[str, float], ...] = ()

    def threshold_in(self, orientations: str) -> float:
        """Return the threshold where pictures are compared in a setting of orientations."""
        return dict(self.oriented_thresholds).get(orientations, self.threshold)

    def fingerprint(self, weights_sha256: str = "") -> Fingerprint:
        """Return what identifies this model's vectors, given the hash of its weights file."""
        return Fingerprint(self.name, weights_sha256, self.preparation.text, self.dim)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is loaded; `vecsim.models.load_embedder` documents the fields."""

    weights: Path | None = None
    device: str = "auto"
    threads: int | None = None
    expected: Fingerprint | None = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES + COMPARED_DEVICES:
            raise UsageError(f"unknown device {self.device!r}; known are {', '.join(DEVICES)}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads must be at least 1, not {self.threads}")

    def check_fingerprint(self, own: Fingerprint, hint: Hint | None = None) -> None:
        """Raise `FingerprintError` unless `own` is the fingerprint that is expected, if any is.

        `hint`: what the user can do about it, by default to build another index.
        """
        if self.expected is None or own == self.expected:
            return
        raise FingerprintError(
            f"the index was made with {self.expected}, but this model is {own}; "
            "their vectors cannot be compared.",
            hint=hint or Hint(Action.BUILD_FOR_OTHER_MODEL),
        )


class Family(Protocol):
    """Models that are loaded in the same way. One file of `vecsim.models.families` is one family.

    A package adds a family by an entry point of the group `vecsim.models` that names an object with
    these members.
    """

    @property
    def name(self) -> str:
        """The name of the family. Names of its models begin with it, followed by "-" or nothing."""

    @property
    def naming(self) -> str:
        """How the names of its models are formed, for messages: "acme and acme-SIZE"."""

    @property
    def specs(self) -> Sequence[ModelSpec]:
        """All models of the family. Must be quick and import nothing heavy."""

    def weights_place(self, spec: ModelSpec) -> str:
        """Return where the weights of `spec` are: a path, "download" or "built in"."""

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Load the model `spec`.

        Calls `options.check_fingerprint` before it returns. Raises `ModelError` if the weights are
        missing or of another model, `FingerprintError` if the model is not the expected one.
        """


@dataclass(frozen=True, slots=True)
class WithoutWeights:
    """A family of one model that has no weights, such as a hash.

    `make`: returns the embedder; what it raises goes to the caller of `load`.
    """

    spec: ModelSpec
    make: Callable[[], Embedder]

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.spec.name

    @property
    def naming(self) -> str:
        """The name of the model."""
        return self.spec.name

    @property
    def specs(self) -> Sequence[ModelSpec]:
        """The one model."""
        return (self.spec,)

    def weights_place(self, spec: ModelSpec) -> str:
        """Return "built in": there are no weights."""
        return "built in"

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Return the embedder; raises `ModelError` if a weights file is given."""
        if options.weights is not None:
            raise ModelError(f"{spec.name} has no weights: it cannot take {options.weights}")
        options.check_fingerprint(spec.fingerprint())
        return self.make()
