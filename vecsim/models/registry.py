"""The models vecsim knows, as data: what a name stands for, before anything heavy is loaded."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from vecsim.errors import ModelError
from vecsim.records import Fingerprint, Preparation

AUTO_MODEL = "mobilenet"
"""What `auto` takes when its weights are at hand."""

OFFLINE_MODEL = "bundled"
"""What `auto` falls back to, and what error messages recommend: needs no download."""

ALPHAS = ("0.25", "0.5", "0.75", "1.0")
SIZES = (128, 160, 192, 224)

# The predecessor advises 0.84 to 0.85; the middle is what its users know.
MOBILENET_THRESHOLD = 0.845

# 1 - 2 * 10 / 64: at most 10 of the 64 bits differ, the usual limit for pHash. Fair bits come that
# close once in 1e8 pairs (sum of C(64, k), k <= 10, over 2**64). Measured on 4.5 million pairs of
# real photographs: 3 pairs at 10 bits, the same 3 at 8, but 20 at 12.
PHASH_THRESHOLD = 0.6875


@dataclass(frozen=True, slots=True)
class Spec:
    """What a model is, but for its weights.

    `kind` picks the code that runs it: "mobilenet", "bundled" or "phash". `alpha` is the width of
    a MobileNet.
    """

    name: str
    kind: str
    dim: int
    preparation: Preparation
    threshold: float
    description: str
    alpha: float = 0.0

    @property
    def speed(self) -> str:
        """How costly a picture is: "fast", "medium" or "slow"."""
        if self.kind != "mobilenet":
            return "fast"
        millions = 569 * self.alpha**2 * (self.preparation.size / 224) ** 2  # multiplications
        return "fast" if millions <= 150 else "medium" if millions <= 350 else "slow"

    @property
    def preprocessing(self) -> str:
        """How pictures are prepared, in one versioned word: "nearest-224-v1"."""
        version = 2 if self.preparation.resample == "smooth" else 1
        return f"{self.preparation.resample}-{self.preparation.size}-v{version}"

    def fingerprint(self, weights_sha256: str = "") -> Fingerprint:
        """What identifies this model's vectors, given the hash of its weights file."""
        return Fingerprint(self.name, weights_sha256, self.preprocessing, self.dim)


def mobilenet_name(alpha: str, size: int, *, smooth: bool = False) -> str:
    """The canonical name of a MobileNet: the widest and largest one is just `mobilenet`."""
    variant = "" if (alpha, size) == ("1.0", 224) else f"-{alpha}-{size}"
    return f"mobilenet{variant}" + ("-smooth" if smooth else "")


def _mobilenet(alpha: str, size: int, *, smooth: bool) -> Spec:
    pixels = "antialiased" if smooth else "nearest-neighbour"
    preparation = Preparation(size, "smooth" if smooth else "nearest")
    return Spec(
        name=mobilenet_name(alpha, size, smooth=smooth),
        kind="mobilenet",
        dim=int(1024 * float(alpha)),
        preparation=preparation,
        threshold=MOBILENET_THRESHOLD,
        description=f"Keras MobileNet, ImageNet weights, width {alpha}, {pixels} resize",
        alpha=float(alpha),
    )


def _known_specs() -> dict[str, Spec]:
    bundled = Spec(
        name="bundled",
        kind="bundled",
        dim=256,
        preparation=Preparation(160, "smooth"),
        threshold=MOBILENET_THRESHOLD,
        description="small MobileNet of our own, for edited copies; fast, no download",
    )
    phash = Spec(
        name="phash",
        kind="phash",
        dim=64,
        preparation=Preparation(32, "lanczos", mode="L"),
        threshold=PHASH_THRESHOLD,
        description="64-bit perceptual hash: whole-picture copies; no download",
    )
    # The largest first: `mobilenet` and `mobilenet-smooth` head theirs.
    mobilenets = [
        _mobilenet(alpha, size, smooth=smooth)
        for alpha in reversed(ALPHAS)
        for size in reversed(SIZES)
        for smooth in (False, True)
    ]
    return {spec.name: spec for spec in (bundled, *mobilenets, phash)}


SPECS = _known_specs()
"""All models by canonical name."""

_ALIASES = {
    "mobilenet-1.0-224": "mobilenet",
    "mobilenet-1.0-224-smooth": "mobilenet-smooth",
}


COPIES_FOUND = {
    "bundled": 0.653,
    "mobilenet-0.75-224": 0.484,
    "mobilenet-0.75-224-smooth": 0.568,
    "phash": 0.510,
}
"""Share of edited copies found at 99.9 % precision: `benchmarks/quality.py`, as committed there."""


def find_spec(name: str) -> Spec:
    """Return the model called `name`; raises `ModelError` with the nearest name if unknown."""
    spec = SPECS.get(_ALIASES.get(name, name))
    if spec is not None:
        return spec
    near = difflib.get_close_matches(name.lower(), [*SPECS, *_ALIASES], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    others = ", ".join(other for other in SPECS if not other.startswith("mobilenet"))
    raise ModelError(
        f"unknown model {name!r}.{hint} Known are mobilenet, mobilenet-smooth, their variants "
        f"mobilenet-ALPHA-SIZE and mobilenet-ALPHA-SIZE-smooth (ALPHA {', '.join(ALPHAS)}; "
        f"SIZE {', '.join(map(str, SIZES))}), and {others}."
    )
