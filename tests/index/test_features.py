"""All real embeddings, matched through two indexes on disk: 13,501 x 21,221 x 768."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vecsim import Index, match


@pytest.mark.ci
def test_two_indexes_find_every_pair_of_the_real_embeddings(shared: Path, tmp_path: Path) -> None:
    indexes = []
    for name in ("source1", "source2"):
        rows = np.load(shared / "features" / f"{name}.float16.npy")
        indexes.append(Index.from_vectors(tmp_path / name, rows, range(len(rows))))
    found = match(*indexes, threshold=0.845).to_numpy()
    assert len(found) == 18_399
    # FAISS's own range search misses this one: its float32 product equals float32(0.845).
    assert ("8693", "18188") in set(zip(found["query_id"], found["reference_id"], strict=True))
    for index in indexes:
        index.close()
