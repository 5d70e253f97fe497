"""Weights files that are wrong, and a GPU that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("model", "file", "message"),
    [
        ("mobilenet", "none.h5", "cannot read the weights file none.h5: No such file"),
        ("mobilenet", "second.csv", "second.csv is not a Keras .h5 weights file, or was cut short"),
        ("auto", "second.csv", "second.csv is not a Keras .h5 weights file, or was cut short"),
        ("phash", "second.csv", "phash has no weights: it cannot take second.csv"),
    ],
)
def test_a_file_without_weights_is_refused(model, file, message, vecsim, second: Path) -> None:
    ran = vecsim("build-index", "new", second, "--model", model, "--weights", file)

    assert ran.status == 1
    assert message in ran.err
    assert not Path("new").exists()


def test_weights_of_another_model_are_refused(vecsim, second: Path, shared: Path) -> None:
    weights = shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"

    ran = vecsim("build-index", "new", second, "--model", "mobilenet", "--weights", weights)

    assert ran.status == 1
    assert "holds MobileNet of width 0.75 without its classifier; mobilenet needs" in ran.err
    assert not Path("new").exists()


def test_device_gpu_without_a_gpu_is_an_error(vecsim, second: Path, shared: Path) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    weights = shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"

    ran = vecsim(
        *("build-index", "new", second, "--device", "gpu"),
        *("--model", "mobilenet-0.75-224", "--weights", weights),
    )

    assert ran.status == 1
    assert "GPU on this machine. Use --device cpu." in ran.err
    assert not Path("new").exists()
