"""`python -m vecsim.models.convert NAME WEIGHTS`: Keras weights in, a LiteRT flatbuffer on stdout.

A program of its own, because TensorFlow takes several hundred megabytes that a process which then
runs for hours should not hold. What TensorFlow and Keras print goes to stderr, which the caller
keeps; the last line of it says what went wrong.
"""

from __future__ import annotations

import os
import socket
import sys

from vecsim.errors import VecsimError
from vecsim.models.keras_mobilenet import build_mobilenet
from vecsim.models.keras_runtime import concrete_call, import_tensorflow
from vecsim.models.registry import find_spec

STALLED_SECONDS = 30.0


def convert(name: str, weights: str) -> bytes:
    """Return model `name` with `weights` (a file or "imagenet") as a float32 flatbuffer.

    Its input is one picture, float32 (1, size, size, 3); its output float32 (1, dim).
    """
    socket.setdefaulttimeout(STALLED_SECONDS)  # Keras' download sets none
    tf = import_tensorflow()
    call = concrete_call(build_mobilenet(find_spec(name), weights), 1)
    # `from_keras_model` gives the same bytes but for a few, through a SavedModel on disk: 4 s more.
    flatbuffer: bytes = tf.lite.TFLiteConverter.from_concrete_functions([call]).convert()
    return flatbuffer


def main() -> None:
    """Convert as the command line says."""
    result = os.dup(1)
    os.dup2(2, 1)  # Keras prints the progress of its download
    try:
        flatbuffer = convert(*sys.argv[1:])
    except Exception as error:
        kind = "" if isinstance(error, VecsimError) else f"{type(error).__name__}: "
        sys.exit(kind + " ".join(str(error).split()))
    with os.fdopen(result, "wb") as out:
        out.write(flatbuffer)


if __name__ == "__main__":
    main()
