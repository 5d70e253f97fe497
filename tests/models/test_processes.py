"""Tests that need processes of their own: imports, output on stderr, two processes at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.models import MODEL

Start = Callable[..., "subprocess.Popen[str]"]

LARGE = [
    "tensorflow",
    "keras",
    "torch",
    "ai_edge_litert",
    "faiss",
    "PIL",
    "imagehash",
    "h5py",
    "scipy",
]


def test_looking_up_models_imports_no_large_library(start_python: Start) -> None:
    process = start_python(
        f"""
import sys
from vecsim.models import default_threshold, list_models, resolve_model
list_models(), default_threshold("phash"), resolve_model("phash")
print([name for name in {LARGE} if name in sys.modules])
"""
    )
    assert process.communicate() == ("[]\n", "")


def test_litert_starts_without_tensorflow(start_python: Start, weights: Path) -> None:
    process = start_python(
        f"""
import sys, pathlib
from vecsim.models import load_embedder
load_embedder({MODEL!r}, weights=pathlib.Path({str(weights)!r}), device="cpu")
print([name for name in ("tensorflow", "keras", "torch") if name in sys.modules])
""",
    )
    assert process.communicate() == ("[]\n", "")


EMBED = """
import hashlib, pathlib, numpy
from vecsim.models import load_embedder
for device in {devices}:
    embedder = load_embedder({model!r}, weights=pathlib.Path({weights!r}), device=device)
    pixels = numpy.arange(2 * 224 * 224 * 3, dtype=numpy.uint8).reshape(2, 224, 224, 3)
    print(hashlib.sha256(embedder.embed(pixels).tobytes()).hexdigest())
load_embedder("phash").embed(numpy.zeros((1, 128, 128), numpy.uint8))
"""


@pytest.mark.ci
def test_two_processes_convert_the_same_weights_at_once_silently(
    start_python: Start, tmp_path: Path, weights: Path
) -> None:
    code = EMBED.format(devices=["cpu"], model=MODEL, weights=str(weights))
    both = [start_python(code, VECSIM_CACHE=str(tmp_path)) for _ in range(2)]
    (one, messages), (other, more_messages) = (process.communicate() for process in both)
    assert messages + more_messages == ""
    assert one == other
    assert len(one) == 65
    (file,) = (tmp_path / "models").iterdir()
    assert file.name.startswith(MODEL)


@pytest.mark.ci
def test_keras_is_silent_and_ignores_the_configured_backend(
    start_python: Start, tmp_path: Path, weights: Path
) -> None:
    (tmp_path / "keras.json").write_text(
        '{"backend": "jax", "image_data_format": "channels_first", "floatx": "float16"}'
    )
    code = EMBED.format(devices=["keras-cpu"], model=MODEL, weights=str(weights))
    process = start_python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch")
    out, err = process.communicate()
    assert err == ""
    assert len(out) == 65
