"""`bundled-2`, the small copy detector that is part of this package, and its predecessor's name.

`training/` describes how the flatbuffer in `vecsim/models/data` was made; it is the model. On a GPU
the same integers are computed by Keras (`vecsim.models.families.bundled_keras`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models.family import Family, LoadOptions, ModelSpec
from vecsim.models.inference import runs_on_keras
from vecsim.protocols import Embedder
from vecsim.records import Preparation

FILE = "bundled-2.tflite"

WEIGHTS_SHA256 = "cd60246b08262962486244cc21caf0880389e6b970329f916bbf80b1614830ea"
"""SHA-256 of the flatbuffer, checked whenever it is read."""

SPEC = ModelSpec(
    name="bundled-2",
    dim=256,
    preparation=Preparation(160, "smooth"),
    threshold=0.84,
    description="small copy detector of our own, for edited copies; fast, no download",
    speed="fast",
    copies_found=0.880,
    aliases=("bundled",),
)

FIRST_SPEC = ModelSpec(
    name="bundled",
    dim=256,
    preparation=Preparation(160, "smooth"),
    threshold=0.845,
    description="the bundled model before bundled-2, of which only indexes exist",
    copies_found=0.653,
)
FIRST = FIRST_SPEC.fingerprint("7c87c47a358309ef74e4edff243904c25f0c65f9a0424dc39dc206f5d381a93a")
"""What identifies vectors of the first bundled model, whose weights vecsim no longer has."""


class BundledFamily:
    """The model `bundled-2`; `bundled` means the newest."""

    name = "bundled"
    naming = "bundled"
    specs: Sequence[ModelSpec] = (SPEC,)

    def weights_place(self, spec: ModelSpec) -> str:
        """Return "built in": the weights are part of the package."""
        return "built in"

    def load(self, spec: ModelSpec, options: LoadOptions) -> Embedder:
        """Load it in LiteRT, or in Keras for a GPU; raises `ModelError` if given weights."""
        if options.weights is not None:
            raise ModelError(
                f"{spec.name} has weights of its own: it cannot take {options.weights}"
            )
        own = spec.fingerprint(WEIGHTS_SHA256)
        hint = None
        if options.expected is not None and options.expected.model == own.model:
            hint = Hint(Action.INSTALL_OTHER_VERSION)
        options.check_fingerprint(own, hint)
        flatbuffer = read_flatbuffer()
        if runs_on_keras(options.device):
            from vecsim.models.families.bundled_keras import build_network
            from vecsim.models.keras_embedder import KerasEmbedder

            return KerasEmbedder(spec, lambda: build_network(spec, flatbuffer), WEIGHTS_SHA256)
        from vecsim.models.litert import LiteRTEmbedder

        return LiteRTEmbedder(spec, flatbuffer, WEIGHTS_SHA256, threads=options.threads)


def read_flatbuffer() -> bytes:
    """The model: float32 (1, size, size, 3) from -1 to 1 in, float32 (1, dim) out, int8 between.

    Raises `ModelError` if the file is not the one that belongs to this version.
    """
    from importlib.resources import files

    content = (files("vecsim.models") / "data" / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{FILE} in the package is damaged. Install vecsim again.")
    return content


BUNDLED: Family = BundledFamily()
