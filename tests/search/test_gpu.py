"""Candidates by products in half precision: the pairs of the oracle, to the last bit.

The same code runs on a GPU; here PyTorch multiplies on the processor.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="a search on the GPU needs PyTorch")

from hypothesis import given

from support import oracle
from support.searching import listed, search_cases
from vecsim import Index, match
from vecsim.engines.engine import EngineOptions
from vecsim.engines.gpu import GpuEngine
from vecsim.errors import UsageError
from vecsim.search import gpu as gpu_search
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.candidates import CandidateScorer
from vecsim.search.gpu import Gpu, HalfBounds, half_margin
from vecsim.search.range_search import range_search_tasks
from vecsim.search.score import normalise
from vecsim.search.tiles import run_all, tile_tasks

PROCESSOR = Gpu("cpu")


@given(search_cases())
def test_every_search_finds_exactly_the_pairs_of_the_oracle(case):
    queries, references, alive, threshold = case
    scorer = CandidateScorer(queries, references, alive, np.full(len(queries), threshold))
    found = run_all(tile_tasks(HalfBounds(PROCESSOR, queries, references), scorer))
    assert listed(found) == oracle.range_search(queries, references, threshold, alive)


@pytest.mark.parametrize("memory", [0, 200_000, 1 << 30])
def test_strips_that_are_kept_and_strips_that_are_sent_give_the_same(memory, monkeypatch):
    monkeypatch.setattr(gpu_search, "STRIP_REFERENCES", 700)
    monkeypatch.setattr(HalfBounds, "tile_queries", 64)
    random = np.random.default_rng(5)
    references = normalise(random.standard_normal((3000, 48)))
    queries = normalise(references[::15] + 0.03 * random.standard_normal((200, 48)))
    bounds = partial(HalfBounds, Gpu("cpu", memory))
    for threshold in (0.2, 0.6, 0.95):
        tasks = range_search_tasks(queries, ReferenceBlock(references), threshold, bounds=bounds)
        assert len(tasks) == 5
        expected = oracle.range_search(queries, references, threshold)
        assert expected and listed(run_all(tasks)) == expected


def test_the_margin_covers_numbers_that_half_precision_cannot_hold():
    for dim in (1, 3, 256, 2048):
        rows = np.random.default_rng(dim).standard_normal((300, dim)) ** 9
        rows = normalise(rows)
        part = PROCESSOR.upload(rows)
        found = (part @ part.T).numpy().astype(np.float64)
        exact = rows.astype(np.float64) @ rows.astype(np.float64).T
        assert np.abs(found - exact).max() < half_margin(dim)


def test_a_device_that_is_less_exact_is_refused(monkeypatch):
    monkeypatch.setattr(gpu_search, "half_margin", lambda dim: 1e-5)
    with pytest.raises(UsageError, match="multiplies with an error of"):
        Gpu("cpu")


def test_a_machine_without_a_gpu_is_told(monkeypatch):
    monkeypatch.setattr(gpu_search.torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="PyTorch sees no GPU on this machine"):
        GpuEngine(EngineOptions("gpu"))


def test_a_match_of_two_indexes_is_that_of_the_local_engine(tmp_path, monkeypatch):
    monkeypatch.setattr(GpuEngine, "device", "cpu")
    random = np.random.default_rng(7)
    rows = normalise(random.standard_normal((900, 32)))
    near = normalise(rows[::3] + 0.05 * random.standard_normal((300, 32)))
    with (
        Index.from_vectors(tmp_path / "a", rows, map(str, range(900))) as left,
        Index.from_vectors(tmp_path / "b", near, map(str, range(300))) as right,
    ):
        here = match(left, right, threshold=0.5).to_numpy()
        there = match(left, right, threshold=0.5, engine=EngineOptions("gpu")).to_numpy()
        assert len(here) > 300 and (here == there).all()
