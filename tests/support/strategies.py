"""Hypothesis strategies for difficult vectors, as float32 arrays without zero rows."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

KINDS = (
    "isotropic",
    "clustered",
    "identical",
    "orthogonal",
    "low-rank",
    "nearly-low-rank",
    "signs",
    "one-sided",
    "opposed",
    "spiky",
)
DIMS = (1, 2, 3, 5, 8, 17, 64, 100, 128, 300, 768)


def make(kind: str, count: int, dim: int, seed: int) -> np.ndarray:
    """(count, dim) float32, not normalised, no zero rows."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, dim))
    if kind == "clustered":
        centres = random.standard_normal((3, dim))
        noise = centres[random.integers(0, 3, count)] + noise * random.choice([0, 1e-7, 1e-3, 0.3])
    elif kind == "identical":
        noise = np.repeat(noise[:1], count, axis=0)
    elif kind == "orthogonal":
        noise = np.eye(dim)[random.integers(0, dim, count)]
    elif kind == "low-rank":
        noise = noise[:, :2] @ random.standard_normal((min(2, dim), dim))
    elif kind == "nearly-low-rank":
        noise = noise[:, :2] @ random.standard_normal((min(2, dim), dim)) + 1e-4 * noise
    elif kind == "signs":
        noise = np.sign(noise) + (noise == 0)
    elif kind == "one-sided":
        noise = np.abs(noise) + 1.0
    elif kind == "opposed":
        noise = noise[:1] * random.choice([-1.0, 1.0], (count, 1)) + 1e-6 * noise
    elif kind == "spiky":
        noise = noise**9
    norms = np.linalg.norm(noise, axis=1, keepdims=True)
    noise[norms[:, 0] < 1e-30] = 1.0
    return noise.astype(np.float32)


def vectors(count: st.SearchStrategy[int], dim: int) -> st.SearchStrategy[np.ndarray]:
    """Rows of one or two kinds, some of them repeated."""
    return st.builds(
        _mixed,
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
        count,
        st.just(dim),
        st.integers(0, 2**32 - 1),
    )


def _mixed(kinds: list[str], count: int, dim: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    parts = [make(kind, count, dim, seed) for kind in kinds]
    rows = np.concatenate(parts)[random.permutation(count * len(kinds))[:count]]
    if count > 3:
        rows[-1] = rows[0]
    return np.ascontiguousarray(rows)
