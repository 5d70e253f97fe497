"""The full matrix of scores, for small sets."""

from __future__ import annotations

import numpy as np

from vecsim.records import Float32, Float64
from vecsim.search.score import round_cosines

BLOCK_PAIRS = 1 << 20


def score_matrix(queries: Float32, references: Float32) -> Float64:
    """The score of every pair: (q, n) float64, for stored vectors (q, d) and (n, d) float32.

    Beside the result it needs a few megabytes and the references in float64.
    """
    scores = np.empty((len(queries), len(references)), np.float64)
    columns = _unit(references).T
    step = max(1, BLOCK_PAIRS // max(1, len(references)))
    for start in range(0, len(queries), step):
        rows = queries[start : start + step]
        cosines = _unit(rows) @ columns
        query_rows, reference_rows = (index.ravel() for index in np.indices(cosines.shape))
        flat = round_cosines(cosines.ravel(), rows, references, query_rows, reference_rows)
        scores[start : start + step] = flat.reshape(cosines.shape)
    return scores


def _unit(vectors: Float32) -> Float64:
    wide = vectors.astype(np.float64)
    wide /= np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    return wide
