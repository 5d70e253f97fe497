"""A model in a file on a cluster: each worker loads the same file and computes the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.commands import run
from support.on_disk import content

from .conftest import Nodes

pytestmark = pytest.mark.slow

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


def small_network(path: Path) -> Path:
    """Write an ONNX file of eight averages of colour fields."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    make, numbers = onnx.helper, onnx.numpy_helper
    weights = np.random.default_rng(3).normal(size=(8, 3, 32, 32)).astype(np.float32)
    graph = make.make_graph(
        [make.make_node("Conv", ["picture", "weights"], ["vector"])],
        "small",
        [make.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, ["n", 3, 32, 32])],
        [make.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, ["n", 8, 1, 1])],
        [numbers.from_array(weights, "weights")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_a_model_file_gives_the_vectors_of_one_machine(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.have(2)
    small_network(tmp_path / "small.onnx")
    monkeypatch.chdir(tmp_path)  # a relative path: workers run in another folder
    model = ("--model", "small.onnx", "--model-setting", "scaling=-1..1")
    run("build-index", tmp_path / "here", PICTURES, *model)
    run("build-index", tmp_path / "there", PICTURES, *model, *nodes.options)
    here, there = content(tmp_path / "here"), content(tmp_path / "there")
    assert len(here) == 6
    assert there == here
