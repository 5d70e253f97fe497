"""The teacher, Keras MobileNet 0.75/224 with ImageNet weights, run through LiteRT.

    python teacher.py mobilenet_7_5_224_tf_no_top.h5 teacher.tflite

converts it once (in an environment with TensorFlow).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZE = 224


class LiteModel:
    """A LiteRT model of float32 NHWC pictures scaled to -1..1."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
        details = self._interpreter.get_input_details()[0]
        self._input, self._shape = details["index"], details["shape"]
        self.size = int(self._shape[1])

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings of uint8 pictures [N, size, size, 3]."""
        if self._shape[0] != len(pictures):
            self._interpreter.resize_tensor_input(self._input, pictures.shape)
            self._interpreter.allocate_tensors()
            self._shape = np.array(pictures.shape)
        self._interpreter.set_tensor(self._input, pictures.astype(np.float32) / 127.5 - 1.0)
        self._interpreter.invoke()
        output = self._interpreter.get_output_details()[0]["index"]
        return np.array(self._interpreter.get_tensor(output))


def convert(weights: Path, target: Path) -> None:
    """Write the teacher's LiteRT model from Keras' ImageNet weights."""
    import tensorflow as tf

    keras = tf.keras.applications.MobileNet(
        alpha=0.75,
        weights=str(weights),
        include_top=False,
        pooling="avg",
        input_shape=(SIZE, SIZE, 3),
    )
    target.write_bytes(tf.lite.TFLiteConverter.from_keras_model(keras).convert())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    convert(arguments.weights, arguments.target)
