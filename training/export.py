"""Make the LiteRT model from the folded weights, and check it against Keras.

    python export.py bundled.weights.npz bundled.tflite

Needs TensorFlow and ai-edge-litert. Weights are stored as float16, the arithmetic is float32.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vecsim.models.families.bundled import build_network
from vecsim.models.registry import find_spec

SPEC = find_spec("bundled")
SIZE = SPEC.preparation.size


def convert(weights: Path, target: Path) -> None:
    """Write the flatbuffer of `weights`; its batch dimension is dynamic."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(build_network(SPEC, weights))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    target.write_bytes(converter.convert())


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors` [N, D] scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def check(weights: Path, model: Path) -> dict[str, float | bool]:
    """How far LiteRT and Keras differ (L2 of unit vectors), and whether batch size matters."""
    from teacher import LiteModel

    lite = LiteModel(model)
    pictures = np.random.default_rng(0).integers(256, size=(64, SIZE, SIZE, 3), dtype=np.uint8)
    pictures[::2] = pictures[::2] // 64 * 20 + np.arange(SIZE, dtype=np.uint8)[:, None]
    together = lite.embed(pictures)
    equal = True
    for batch in (1, 2, 3, 7, 32):
        parts = [lite.embed(pictures[at : at + batch]) for at in range(0, 64, batch)]
        equal = equal and np.array_equal(np.concatenate(parts), together)
    scaled = pictures.astype(np.float32) / 127.5 - 1.0
    keras = build_network(SPEC, weights).predict(scaled, verbose=0)
    gap = np.linalg.norm(unit(keras) - unit(together), axis=1).max()
    return {"litert_keras_l2": float(gap), "bit_equal_over_batch_sizes": bool(equal)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    convert(arguments.weights, arguments.target)
    print(check(arguments.weights, arguments.target), arguments.target.stat().st_size)
