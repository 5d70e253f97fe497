"""Make LiteRT flatbuffers of folded weights: float, and int8 with a float pooling and projection.

    python export.py weights.npz --float model.tflite --int8 model-int8.tflite

Needs TensorFlow. The float model keeps its weights as float16 and computes in float32. The int8
model has the ranges that the training fixed (network.py): -1..1 of the input, 0..6 of every
activation, weights per output channel; input and output stay float32.
Input: float32 [1, 160, 160, 3], RGB, `x / 127.5 - 1`. Output: float32 [1, 256], not normalised.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 160
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
POOL_FLOOR = 1e-4
POWER = 3.0

Arrays = dict[str, NDArray[np.float32]]


def load_arrays(path: Path) -> Arrays:
    """Read a weights file as float32."""
    with np.load(path) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def convolve(tf: Any, x: Any, arrays: Arrays, name: str, stride: int) -> Any:
    """One convolution with bias and ReLU6, padded right and bottom where it strides."""
    kernel = arrays[f"{name}.kernel"]
    if stride == 2:
        x = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
    padding = "VALID" if stride == 2 else "SAME"
    if name.startswith("dw_"):
        x = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], padding)
    else:
        x = tf.nn.conv2d(x, kernel, stride, padding)
    return tf.nn.relu6(tf.nn.bias_add(x, arrays[f"{name}.bias"]))


def build(arrays: Arrays, quantised: bool) -> Any:
    """The network as a TensorFlow function of one picture; with marks of ranges if `quantised`."""
    import tensorflow as tf

    def mark(x: Any, low: float, high: float) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(x, low, high) if quantised else x

    @tf.function(input_signature=[tf.TensorSpec([1, SIDE, SIDE, 3], tf.float32, "pictures")])
    def network(pictures: Any) -> Any:
        x = mark(pictures, -1.0, 1.0)
        x = mark(convolve(tf, x, arrays, "conv", 2), 0.0, 6.0)
        for block, stride in enumerate(STRIDES, start=1):
            x = mark(convolve(tf, x, arrays, f"dw_{block}", stride), 0.0, 6.0)
            x = mark(convolve(tf, x, arrays, f"pw_{block}", 1), 0.0, 6.0)
        x = tf.maximum(x, POOL_FLOOR)
        x = tf.pow(tf.reduce_mean(x * x * x, [1, 2]), 1 / POWER)
        return tf.matmul(x, arrays["head.kernel"]) + arrays["head.bias"]

    return network


def convert(arrays: Arrays, quantised: bool) -> bytes:
    """The flatbuffer of the network."""
    import tensorflow as tf

    network = build(arrays, quantised)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if not quantised:
        converter.target_spec.supported_types = [tf.float16]
    flatbuffer: bytes = converter.convert()
    return flatbuffer


def main() -> None:
    """Parse the command line; write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--float", type=Path, dest="plain")
    parser.add_argument("--int8", type=Path)
    options = parser.parse_args()
    arrays = load_arrays(options.weights)
    for target, quantised in ((options.plain, False), (options.int8, True)):
        if target:
            target.write_bytes(convert(arrays, quantised))
            print(f"{target}: {target.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
