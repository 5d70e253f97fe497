"""The choice of an engine, and the two jobs of the local one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vecsim.engines.engine import EngineOptions, Job, WorkOptions, open_engine
from vecsim.engines.local import LocalEngine
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import UsageError
from vecsim.index import Snapshot
from vecsim.models import load_embedder
from vecsim.operations.external_vectors import VectorTable, create_from_vectors
from vecsim.records import Embedded, Failure, ImageRef

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


def test_the_engine_is_local_unless_another_is_named() -> None:
    assert isinstance(open_engine(), LocalEngine)
    with pytest.raises(UsageError, match="engine 'spark': choose one of local, gpu, ray"):
        open_engine(EngineOptions(name="spark"))


def test_the_local_engine_embeds_in_order_and_yields_failures() -> None:
    job = Job(
        load_embedder("phash"),
        None,
        WorkOptions(),
        find_embedding=lambda sha256: None,
        find_facts=lambda ref: None,
        thumbnails=True,
    )
    paths = [PICTURES / "1.jpg", PICTURES / "none.jpg", PICTURES / "2.jpg"]
    with open_engine().embedding(job) as outcomes:
        refs = [ImageRef(path.name, str(path)) for path in paths]
        first, missing, second = (outcome for outcome in outcomes.run(refs) if outcome is not None)
    assert isinstance(first, Embedded) and isinstance(second, Embedded)
    assert isinstance(missing, Failure) and missing.kind == "no-file"
    assert [first.ref.id, second.ref.id] == ["1.jpg", "2.jpg"]
    assert first.thumbnail and np.linalg.norm(first.vector) == pytest.approx(1)


def test_decoding_in_this_process_gives_the_same_vectors() -> None:
    vectors = []
    for here in (True, False):
        model = load_embedder("phash")
        with local_pipeline(model, WorkOptions(), decode_in_process=here, cores=1) as pipeline:
            outcomes = pipeline.run([ImageRef("1", str(PICTURES / "1.jpg"))])
            (outcome,) = (outcome for outcome in outcomes if outcome is not None)
        assert isinstance(outcome, Embedded)
        vectors.append(outcome.vector)
    assert np.array_equal(*vectors)


def test_the_local_engine_searches_what_a_snapshot_finds(tmp_path: Path) -> None:
    table = VectorTable(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), ["a", "b", "c"])
    create_from_vectors(tmp_path / "index", table)
    with Snapshot(tmp_path / "index") as snapshot:
        _, vectors = snapshot.slice(0, 1)
        with open_engine().searching(snapshot, 0.9) as searcher:
            pairs = searcher.submit(vectors, 0, None)()
        assert pairs.reference.tolist() == snapshot.range_search(vectors, 0.9).reference.tolist()
        assert len(pairs) == 2
