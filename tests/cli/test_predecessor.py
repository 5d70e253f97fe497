"""The example that ImageSimilarity published, end to end: its lists, pictures, weights, scores."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.servers import HostileServer, good

MODEL = "mobilenet-0.75-224"
HOST = "https://raw.githubusercontent.com/ryanfwy/image_similarity/master/demo"
MATRIX = [
    [0.9338396, 0.6145143, 0.5912799],
    [0.8555930, 0.5911883, 0.5257384],
    [1, 0.6099966, 0.5702866],
    [0.6099966, 1, 0.5318411],
    [0.5702867, 0.5318412, 1],
    [0.5776337, 0.5264696, 0.8830167],
]


@pytest.fixture
def shop(shared: Path, monkeypatch) -> Iterator[HostileServer]:
    """A local server of its pictures, its lists with the host replaced, and its weights."""
    seed = shared / "seed-demo"
    monkeypatch.setenv("VECSIM_MODEL", MODEL)
    monkeypatch.setenv("VECSIM_WEIGHTS", str(shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"))
    routes = {f"/{n}.jpg": good((seed / f"{n}.jpg").read_bytes()) for n in range(1, 7)}
    with HostileServer(routes) as server:
        for name in ("test1.csv", "test2.csv"):
            text = (seed / name).read_text()
            Path(name).write_text(text.replace(HOST, server.url("").rstrip("/")))
        yield server


@pytest.mark.ci
def test_the_matrix_equals_the_published_one(vecsim, shop: HostileServer) -> None:
    ran = vecsim(
        *("match", "test1.csv", "test2.csv"),
        *("--matrix", "m.npy", "--names", "test1", "test2"),
    )

    assert ran.status == 0
    np.testing.assert_allclose(np.load("m.npy"), MATRIX, atol=0.0005)


@pytest.mark.ci
def test_the_pairs_equal_the_published_ones(vecsim, shop: HostileServer, shared: Path) -> None:
    ran = vecsim(
        *("match", "test1.csv", "test2.csv", "--best-only", "--threshold", "0.845"),
        *("--names", "test1", "test2"),
    )

    with (shared / "seed-demo" / "result_similarity_mobilenet075.csv").open() as file:
        published = list(csv.DictReader(file, delimiter="\t"))
    assert ran.status == 0
    assert [(row["test1_id"], row["test2_id"]) for row in ran.rows] == [
        (row["test1_id"], row["test2_id"]) for row in published
    ]
    assert [row["test2_url"].rpartition("/")[2] for row in ran.rows] == [
        row["test2_url"].rpartition("/")[2] for row in published
    ]
    for own, other in zip(ran.rows, published, strict=True):
        assert float(own["score"]) == pytest.approx(float(other["similarity"]), abs=0.0005)
    assert [float(row["score"]) for row in ran.rows[2:5]] == [1.0] * 3


@pytest.mark.ci
def test_an_index_finds_its_weights_without_options(
    vecsim, shop: HostileServer, monkeypatch
) -> None:
    assert vecsim("build-index", "six", "test1.csv").status == 0
    monkeypatch.delenv("VECSIM_MODEL")
    monkeypatch.delenv("VECSIM_WEIGHTS")

    ran = vecsim("match", "six", "test2.csv", "--best-only")
    asked = vecsim("query", "six", "--url", shop.url("/5.jpg"), "-k", "1")

    assert [pair[:2] for pair in ran.pairs] == [
        *(("1", "3"), ("2", "3"), ("3", "3"), ("4", "4"), ("5", "5"), ("6", "5")),
    ]
    assert asked.pairs == [(shop.url("/5.jpg"), "5", 1.0)]
    assert MODEL in vecsim("info", "six").out
