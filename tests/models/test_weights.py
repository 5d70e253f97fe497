"""Weights of MobileNet: where they are found, and when they are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from support.models import MODEL
from vecsim.errors import FingerprintError, ModelError
from vecsim.models import load_embedder, resolve_model
from vecsim.models.keras_weights import file_sha256
from vecsim.protocols import Embedder
from vecsim.records import Fingerprint, UInt8


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of Keras."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras"


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of vecsim."""
    monkeypatch.setenv("VECSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("device", ["cpu", "keras-cpu"])
@pytest.mark.ci
def test_imagenet_weights_are_read_from_keras_cache(
    keras_home: Path, weights: Path, litert: Embedder, pictures: UInt8, device: str
) -> None:
    shutil.copy(weights, keras_home / "models" / "mobilenet_7_5_224_tf_no_top.h5")
    found = load_embedder(MODEL, device=device)
    assert found.fingerprint == litert.fingerprint
    assert found.fingerprint.weights_sha256 == file_sha256(weights)
    np.testing.assert_allclose(found.embed(pictures), litert.embed(pictures), atol=1e-4)


def test_a_truncated_file_in_keras_cache_is_refused(keras_home: Path, weights: Path) -> None:
    path = keras_home / "models" / "mobilenet_7_5_224_tf_no_top.h5"
    path.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match=r"was cut short .* Delete it, and it is downloaded again"):
        load_embedder(MODEL, device="cpu")


@pytest.mark.usefixtures("no_network")
def test_missing_weights_without_network_are_reported_with_advice(keras_home: Path) -> None:
    with pytest.raises(ModelError) as error:
        load_embedder("mobilenet", device="cpu")
    message = str(error.value)
    assert "mobilenet_1_0_224_tf_no_top.h5" in message
    assert str(keras_home / "models") in message
    assert "pass its path as weights=" in message
    assert "'bundled', which needs no download" in message


def test_a_weights_file_of_another_width_is_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"holds MobileNet of width 0\.75 .*width 1\.0") as error:
        load_embedder("mobilenet", weights=weights)
    assert str(weights) in str(error.value)


def test_a_weights_file_of_another_size_is_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match=r"trained at 224 pixels; .*trained at 192"):
        load_embedder("mobilenet-0.75-192", weights=weights)


def test_a_weights_file_with_the_classifier_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet_2_5_128_tf.h5"
    with h5py.File(path, "w") as file:
        for number, shape in enumerate([(3, 3, 3, 8), (1, 1, 256, 256), (1, 1, 256, 1000)]):
            file[f"layer{number}/kernel"] = np.zeros(shape, np.float32)
    with pytest.raises(ModelError, match=r"width 0\.25 with its classifier; .*without"):
        load_embedder("mobilenet-0.25-128", weights=path)


@pytest.mark.parametrize("device", ["cpu", "keras-cpu"])
@pytest.mark.ci
def test_a_weights_file_with_layers_missing_is_refused(
    tmp_path: Path, weights: Path, device: str
) -> None:
    path = tmp_path / "some_layers.h5"
    shutil.copy(weights, path)
    path.chmod(0o600)
    with h5py.File(path, "a") as file:
        del file["conv_dw_5"]["conv_dw_5"]["kernel"]
        del file["conv_dw_5"].attrs["weight_names"]
        file["conv_dw_5"].attrs["weight_names"] = np.array([], dtype="S1")
    with pytest.raises(ModelError, match=r"some_layers\.h5 do not fit mobilenet-0\.75-224"):
        load_embedder(MODEL, weights=path, device=device)


def test_another_hdf5_file_is_refused(shared: Path) -> None:
    path = shared / "seed-demo" / "_test1_feature.h5"
    with pytest.raises(ModelError, match=r"an HDF5 file, but not of Keras' MobileNet"):
        load_embedder("mobilenet", weights=path)


def test_other_files_are_refused_as_weights(tmp_path: Path, weights: Path) -> None:
    text = tmp_path / "text.h5"
    text.write_text("<html>not found</html>")
    cut = tmp_path / "mobilenet_7_5_224_tf_no_top.h5"
    cut.write_bytes(weights.read_bytes()[:3_000_000])
    for path in (text, cut):
        with pytest.raises(ModelError, match=r"is not a Keras \.h5 weights file, or was cut") as e:
            load_embedder(MODEL, weights=path)
        assert str(path) in str(e.value)
    with pytest.raises(ModelError, match=r"cannot read the weights file .*none\.h5: No such file"):
        load_embedder(MODEL, weights=tmp_path / "none.h5")
    with pytest.raises(ModelError, match="Is a directory"):
        load_embedder(MODEL, weights=tmp_path)


@pytest.mark.ci
def test_auto_chooses_the_model_of_the_weights_file(weights: Path, small_weights: Path) -> None:
    assert resolve_model("auto", weights=weights)[0] == MODEL
    assert resolve_model("auto", weights=small_weights)[0] == "mobilenet-0.25-224"


@pytest.mark.usefixtures("no_network", "keras_home")
def test_an_index_made_with_a_weights_file_opens_without_it(litert: Embedder) -> None:
    again = load_embedder(MODEL, device="cpu", expected=litert.fingerprint)
    assert again.fingerprint == litert.fingerprint


@pytest.mark.usefixtures("no_network", "keras_home", "fresh_cache")
def test_missing_weights_of_an_index_are_reported_with_their_hash(litert: Embedder) -> None:
    with pytest.raises(ModelError, match=f"SHA-256 {litert.fingerprint.weights_sha256}.*weights="):
        load_embedder(MODEL, device="cpu", expected=litert.fingerprint)


@pytest.mark.parametrize("device", ["cpu", "keras-cpu"])
def test_other_weights_than_those_of_the_index_are_refused(weights: Path, device: str) -> None:
    made_with = Fingerprint(MODEL, "0123456789ab" * 5, "nearest-224-v1", 768)
    with pytest.raises(FingerprintError, match=r"weights 0123456789ab.*weights=FILE") as error:
        load_embedder(MODEL, weights=weights, device=device, expected=made_with)
    assert file_sha256(weights)[:12] in str(error.value)


def test_another_resize_than_that_of_the_index_is_refused(litert: Embedder, weights: Path) -> None:
    with pytest.raises(FingerprintError, match=r"nearest-224.*smooth-224.*keeps the model"):
        load_embedder(f"{MODEL}-smooth", weights=weights, expected=litert.fingerprint)


@pytest.mark.ci
def test_a_damaged_conversion_is_replaced(
    fresh_cache: Path, converted_models: Path, weights: Path, litert: Embedder, pictures: UInt8
) -> None:
    (kept,) = (converted_models / "models").glob(f"{MODEL}-*.tflite")
    damaged = fresh_cache / "models" / kept.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(kept.read_bytes()[:100_000])
    again = load_embedder(MODEL, weights=weights, device="cpu")
    assert np.array_equal(again.embed(pictures), litert.embed(pictures))
    assert damaged.read_bytes() == kept.read_bytes()


@pytest.mark.ci
def test_a_cache_that_cannot_be_written_is_a_warning(
    tmp_path: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VECSIM_CACHE", str(tmp_path / "file" / "cache"))
    load_embedder(MODEL, weights=weights, device="cpu")
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "cannot keep the converted model" in record.message
    assert "VECSIM_CACHE" in record.message


@pytest.mark.ci
def test_a_full_disk_is_a_warning(
    fresh_cache: Path, weights: Path, start_python: Callable[..., object]
) -> None:
    """A limit on file sizes makes the write fail where a full disk would."""
    process = start_python(
        f"""
import pathlib, resource
from vecsim.models import load_embedder
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
print(load_embedder({MODEL!r}, weights=pathlib.Path({str(weights)!r}), device="cpu").fingerprint)
"""
    )
    out, err = process.communicate()  # type: ignore[attr-defined]
    assert out.startswith(MODEL)
    assert err.startswith("cannot keep the converted model in")
    assert err.count("\n") == 1
    assert list((fresh_cache / "models").iterdir()) == []
