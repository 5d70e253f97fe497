"""Where TensorFlow is not installed, all but MobileNet, Keras files and GPUs works."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vecsim.errors import ModelError
from vecsim.models import devices, inference, load_embedder
from vecsim.models.diagnosis import TensorFlowFacts
from vecsim.operations import doctor


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python finds no TensorFlow, on a machine that shows a GPU."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr(devices, "has_gpu_device", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize("name", ["bundled", "phash"])
def test_models_of_the_package_embed(name: str) -> None:
    model = load_embedder(name, device="auto")
    picture = np.zeros((1, *model.preparation.shape), np.uint8)
    assert model.embed(picture).shape == (1, model.fingerprint.dim)


def test_a_gpu_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    reason = r"needs PyTorch or TensorFlow, and neither is installed: pip install 'vecsim\[gpu\]'"
    with pytest.raises(ModelError, match=reason):
        load_embedder("bundled", device="gpu")


def test_keras_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="TensorFlow is not installed"):
        inference.import_keras()


def test_the_doctor_says_what_needs_it() -> None:
    finding = doctor._tensorflow(TensorFlowFacts(error="No module named 'tensorflow'"))
    assert finding.status == "ok"
    assert finding.text.startswith("not installed; only MobileNet")
