"""Images that leave the index, as the journal records them: with everything to return them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vecsim.operations.applying.journal import Claim
from vecsim.orientations import STORED_NAMES
from vecsim.records import Embedded, Float32, ImageFacts, ImageRef


def left_event(step: int, image: Embedded, claims: Sequence[Claim]) -> dict[str, Any]:
    """Return the event that an image leaves the index, with everything to return it."""
    facts = {name: getattr(image.facts, name) for name in ImageFacts.__dataclass_fields__}
    turned = {STORED_NAMES[code]: _text_of(vector) for code, vector in image.turned.items()}
    return {
        "event": "left",
        "step": step,
        "id": image.ref.id,
        "url": image.ref.url,
        "fields": dict(image.ref.fields),
        "facts": facts,
        "vector": _text_of(image.vector),
        **({"turned": turned} if turned else {}),
        "thumbnail": base64.b64encode(image.thumbnail).decode(),
        "claims": claims,
    }


def image_of(event: Mapping[str, Any]) -> Embedded:
    """Return the image that left the index with this event."""
    known = ImageFacts.__dataclass_fields__
    facts = {name: value for name, value in event["facts"].items() if name in known}
    ref = ImageRef(event["id"], event["url"], event["fields"])
    turned = event.get("turned", {}).items()
    return Embedded(
        ref,
        ImageFacts(**facts),
        _vector_of(event["vector"]),
        base64.b64decode(event["thumbnail"]),
        {STORED_NAMES.index(name): _vector_of(text) for name, text in turned},
    )


def _text_of(vector: Float32) -> str:
    """Return a vector as float32, little-endian, in Base64."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _vector_of(text: str) -> Float32:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
