"""Models in files: real ONNX, TFLite and Keras models, made here."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.models import ROOT
from vecsim import Index, match
from vecsim.errors import FingerprintError, ModelError
from vecsim.models import load_embedder
from vecsim.models.file_settings import (
    FileSettings,
    fitted,
)
from vecsim.models.inference import import_keras, import_tensorflow

# Keras calls NumPy in a way that is deprecated when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PICTURES = ROOT / "demo" / "images"
SETTINGS = FileSettings(scaling="imagenet")


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution and a mean over the picture, NCHW, of any batch: 8 numbers."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    make, numbers = onnx.helper, onnx.numpy_helper
    kernel = np.random.default_rng(1).standard_normal((8, 3, 5, 5)).astype(np.float32)
    graph = make.make_graph(
        [
            make.make_node("Conv", ["picture", "kernel"], ["maps"], strides=[2, 2]),
            make.make_node("Relu", ["maps"], ["positive"]),
            make.make_node("GlobalAveragePool", ["positive"], ["vector"]),
        ],
        "small",
        [make.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, ["n", 3, 64, 64])],
        [make.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, ["n", 8, 1, 1])],
        [numbers.from_array(kernel, "kernel")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def keras_model() -> Any:
    keras = import_keras()
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.layers.Input((48, 48, 3)),
            keras.layers.Conv2D(6, 5, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture(scope="module")
def keras_file(keras_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "small.keras"
    keras_model.save(path)
    return path


def pixels(size: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (3, size, size, 3), np.uint8)


def test_an_onnx_file_is_run_as_onnxruntime_runs_it(onnx_model: Path) -> None:
    import onnxruntime

    embedder = load_embedder("onnx", weights=onnx_model, settings=SETTINGS)
    some = pixels(64)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scaled = ((some / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(onnx_model, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"picture": scaled})[0].reshape(3, 8)
    vectors = embedder.embed(some)
    assert np.allclose(vectors, expected, atol=1e-5)
    assert np.array_equal(vectors[1:2], embedder.embed(some[1:2]))
    fingerprint = embedder.fingerprint
    assert (fingerprint.model, fingerprint.dim) == ("onnx", 8)
    assert fingerprint.preprocessing == "smooth-64-v2,imagenet,rgb,nchw"
    assert fingerprint.weights_sha256 == hashlib.sha256(onnx_model.read_bytes()).hexdigest()


def test_a_keras_file_is_run_as_keras_runs_it(keras_model: Any, keras_file: Path) -> None:
    embedder = load_embedder("keras", weights=keras_file, settings=FileSettings(scaling="-1..1"))
    some = pixels(48)
    expected = keras_model.predict(some / np.float32(127.5) - 1, verbose=0)
    assert np.allclose(embedder.embed(some), expected, atol=1e-5)
    assert embedder.fingerprint.preprocessing == "smooth-48-v2,-1..1,rgb,nhwc"


def test_a_tflite_file_gives_what_its_keras_model_gives(keras_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(
        import_tensorflow().lite.TFLiteConverter.from_keras_model(keras_model).convert()
    )
    settings = FileSettings(scaling="0..255", channels="bgr")
    some = pixels(48)
    expected = keras_model.predict(some[..., ::-1].astype(np.float32), verbose=0)
    vectors = load_embedder("tflite", weights=path, settings=settings).embed(some)
    assert np.allclose(vectors, expected, rtol=1e-4, atol=1e-3)


def test_a_quantised_tflite_file_gives_nearly_what_its_keras_model_gives(
    keras_model: Any, tmp_path: Path
) -> None:
    some = pixels(48)
    expected = keras_model.predict(some / np.float32(127.5) - 1, verbose=0)
    for type_ in ("uint8", "int8"):
        path = tmp_path / f"{type_}.tflite"
        path.write_bytes(quantised(keras_model, type_))
        embedder = load_embedder("tflite", weights=path, settings=FileSettings(scaling="-1..1"))
        vectors = embedder.embed(some)
        assert vectors.dtype == np.float32
        assert np.allclose(vectors, expected, atol=0.05 * np.abs(expected).max())
        assert np.array_equal(vectors[2:], embedder.embed(some[2:]))


def quantised(model: Any, type_: str) -> bytes:
    """Convert a Keras model to a flatbuffer whose inputs and outputs have eight bits."""
    tf = import_tensorflow()
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [pixels(48)[row : row + 1] / np.float32(127.5) - 1] for row in range(3)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, type_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Statistics for quantized inputs were expected"
        content: bytes = converter.convert()
    return content


def onnx_of(folder: Path, name: str, batch: int | str, type_: str) -> Path:
    """Make the mean colours of a picture as a network: NHWC, 64 pixels."""
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    shape = [batch, 64, 64, 3]
    numbers = getattr(onnx.TensorProto, type_)
    axes = onnx.numpy_helper.from_array(np.array([1, 2]), "axes")
    graph = make.make_graph(
        [
            make.make_node("Cast", ["picture"], ["levels"], to=onnx.TensorProto.FLOAT),
            make.make_node("ReduceMean", ["levels", "axes"], ["vector"], keepdims=0),
        ],
        "means",
        [make.make_tensor_value_info("picture", numbers, shape)],
        [make.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, [batch, 3])],
        [axes],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, str(folder / name))
    return folder / name


def test_an_onnx_file_of_eight_bits_is_given_pixels_as_they_are(tmp_path: Path) -> None:
    path = onnx_of(tmp_path, "bytes.onnx", "n", "UINT8")
    some = pixels(64)
    embedder = load_embedder("onnx", weights=path, settings=FileSettings(scaling="0..255"))
    assert np.allclose(embedder.embed(some), some.mean(axis=(1, 2)), rtol=1e-5)
    with pytest.raises(ModelError, match=r"set the scaling to 0\.\.255"):
        load_embedder("onnx", weights=path, settings=SETTINGS)


@pytest.mark.parametrize(("fixed", "chosen"), [(4, None), ("n", 4), (4, 4)])
def test_a_file_that_takes_four_pictures_at_once_is_given_four(
    fixed: int | str, chosen: int | None, tmp_path: Path
) -> None:
    path = onnx_of(tmp_path, "four.onnx", fixed, "FLOAT")
    settings = FileSettings(scaling="0..1", batch=chosen)
    embedder = load_embedder("onnx", weights=path, settings=settings)
    some = np.concatenate([pixels(64), pixels(64)[::-1], pixels(64)[:1]])
    vectors = embedder.embed(some)
    assert np.allclose(vectors, some.mean(axis=(1, 2)) / 255, rtol=1e-5)
    assert np.array_equal(vectors[5], embedder.embed(some[5:6])[0])
    assert embedder.fingerprint.preprocessing == "smooth-64-v2,0..1,rgb,nhwcx4"
    again = load_embedder("onnx", weights=path, expected=embedder.fingerprint)
    assert again.fingerprint == embedder.fingerprint
    with pytest.raises(ModelError, match="takes 4 pictures at once, not 2"):
        fitted(FileSettings(scaling="clip", batch=2), (4, 3, 64, 64), "m")


def test_a_lambda_layer_is_refused_and_not_run(tmp_path: Path) -> None:
    keras = import_keras()
    trace = tmp_path / "ran"
    path = tmp_path / "code.keras"

    def run(x: Any, place: str = str(trace)) -> Any:
        open(place, "w").close()  # noqa: PTH123
        return x

    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3)),
            keras.layers.Lambda(run, output_shape=(8, 8, 3)),
            keras.layers.Flatten(),
        ]
    )
    model.save(path)
    trace.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="Lambda layer, which is code"):
        load_embedder("keras", weights=path, settings=FileSettings(scaling="0..1"))
    assert not trace.exists()


def test_an_index_opens_with_its_file_and_refuses_another(onnx_model: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(onnx_model, tmp_path))
    beside = {"preset": "torchvision", "size": 64, "threshold": 0.9}
    path.with_name("small.onnx.json").write_text(json.dumps(beside))
    with Index.create(tmp_path / "index", model=path) as index:
        assert index.add(PICTURES).added == 6
        assert index.threshold == 0.9
        assert len(list(match(index))) > 0
    with Index.open(tmp_path / "index") as index:
        assert index.query(PICTURES / "3.jpg", top_k=1).to_numpy()["score"].tolist() == [1.0]
    moved = path.rename(tmp_path / "moved.onnx")
    with (
        Index.open(tmp_path / "index") as index,
        pytest.raises(ModelError, match="not where it was"),
    ):
        index.query(PICTURES / "3.jpg")
    with Index.open(tmp_path / "index", weights=moved) as index:
        assert len(list(index.query(PICTURES / "3.jpg", top_k=2))) == 2
    moved.write_bytes(moved.read_bytes()[:-1] + b"x")
    with Index.open(tmp_path / "index", weights=moved) as index, pytest.raises(FingerprintError):
        index.query(PICTURES / "3.jpg")


@pytest.mark.parametrize("format_", ["onnx", "tflite", "keras"])
def test_a_file_that_is_no_model_is_refused(format_: str, tmp_path: Path) -> None:
    if format_ == "onnx":
        pytest.importorskip("onnxruntime")
    path = tmp_path / f"x.{format_}"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"no (ONNX|TFLite|Keras) model that") as caught:
        load_embedder(format_, weights=path, settings=SETTINGS)
    assert str(path) in str(caught.value)
