"""Fixtures for tests of models: real weights, real pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.models import MODEL, ROOT, SMALL
from vecsim.models import load_embedder
from vecsim.protocols import Embedder
from vecsim.records import Float32, UInt8


@pytest.fixture(scope="session")
def weights(shared: Path) -> Path:
    """The predecessor's weights: MobileNet 0.75 at 224 pixels, trained on ImageNet."""
    return shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"


@pytest.fixture(scope="session")
def pictures(shared: Path) -> UInt8:
    """The six pictures of the predecessor's demo, resized as the predecessor resizes them."""
    return np.stack(
        [
            np.asarray(
                Image.open(shared / "seed-demo" / f"{number}.jpg")
                .convert("RGB")
                .resize((224, 224), Image.Resampling.NEAREST)
            )
            for number in range(1, 7)
        ]
    )


@pytest.fixture(scope="session")
def many_pictures(pictures: UInt8) -> UInt8:
    """64 different pictures: the six, shifted."""
    rows = [np.roll(pictures[row % 6], (5 * row, 3 * row), axis=(0, 1)) for row in range(64)]
    return np.stack(rows)


@pytest.fixture(scope="session")
def litert(converted_models: Path, weights: Path) -> Embedder:
    """MobileNet 0.75 on LiteRT."""
    return load_embedder(MODEL, weights=weights, device="cpu")


@pytest.fixture(scope="session")
def keras(weights: Path) -> Embedder:
    """MobileNet 0.75 on Keras and TensorFlow."""
    return load_embedder(MODEL, weights=weights, device="keras-cpu")


@pytest.fixture(scope="session")
def litert_vectors(litert: Embedder, many_pictures: UInt8) -> Float32:
    """The vectors of `many_pictures` by `litert`, computed in one batch."""
    return litert.embed(many_pictures)


@pytest.fixture(scope="session")
def keras_vectors(keras: Embedder, many_pictures: UInt8) -> Float32:
    """The vectors of `many_pictures` by `keras`, computed in one batch."""
    return keras.embed(many_pictures)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the smallest MobileNet, for tests that embed many pictures.

    The file has the format of current Keras; the predecessor's file has the older one.
    """
    from vecsim.models.families.mobilenet import build_mobilenet
    from vecsim.models.inference import quiet_stderr
    from vecsim.models.registry import find_spec

    path = tmp_path_factory.mktemp("small") / "random.weights.h5"
    with quiet_stderr():  # Keras' own deprecation warnings
        build_mobilenet(find_spec(SMALL), None).save_weights(path)
    return path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every download to a port on which no server listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture
def start_python() -> Callable[..., subprocess.Popen[str]]:
    """Start code in another Python process; its stdout and stderr are captured."""

    def start(code: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )

    return start
