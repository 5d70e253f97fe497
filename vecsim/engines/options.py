"""How hard an engine may work, and with whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from vecsim.decode import DecodeLimits
from vecsim.fetch import FetchOptions


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """`batch_size`: pictures through the model together. `device`: "auto", "cpu" or "gpu".

    How many downloads run at once, and how patiently, is said by `fetch`; `limits` are those of
    decoding.
    """

    batch_size: int = 32
    device: str = "auto"
    fetch: FetchOptions = field(default_factory=FetchOptions)
    limits: DecodeLimits = field(default_factory=DecodeLimits)
