"""Keras weights to LiteRT flatbuffers: made once for each file, kept in vecsim's cache.

The conversion runs in a process of its own (`main`), because TensorFlow takes several hundred
megabytes that a process which then runs for hours should not hold.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from vecsim.errors import ModelError, VecsimError
from vecsim.files import new_file, private_temporary_folder
from vecsim.models.family import ModelSpec
from vecsim.models.inference import concrete_call, import_tensorflow
from vecsim.models.keras_weights import keras_home

CONVERSION = "v1"
"""Part of the key: change it when `_convert_here` yields another function."""

_PROGRAM = "from vecsim.models.conversion import main; main()"

STALLED_SECONDS = 30.0
"""How long Keras' download may receive nothing; Keras itself sets no limit."""

LOGGER = logging.getLogger("vecsim.models")


def cache_folder() -> Path:
    """Return the cache of vecsim: `$VECSIM_CACHE`, else the platform's place for caches.

    For a user without a home, a folder for temporary files that belongs to that user alone.
    """
    chosen = os.environ.get("VECSIM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("vecsim", appauthor=False))
    except RuntimeError:  # a user without a home, as containers have them
        return private_temporary_folder()
    return folder if folder.is_absolute() else private_temporary_folder()


def cached_path(spec: ModelSpec, weights_sha256: str) -> Path:
    """Return where the flatbuffer of these weights is kept. Both kinds of resize share one."""
    name = spec.name.removesuffix("-smooth")
    return cache_folder() / "models" / f"{name}-{weights_sha256}-{CONVERSION}.tflite"


def read_cached(spec: ModelSpec, weights_sha256: str) -> bytes | None:
    """Return the flatbuffer of these weights, if it was converted before."""
    if not re.fullmatch(r"[0-9a-f]{64}", weights_sha256):  # an index may come from anybody
        return None
    try:
        return cached_path(spec, weights_sha256).read_bytes()
    except OSError:
        return None


def write_cached(spec: ModelSpec, weights_sha256: str, flatbuffer: bytes) -> None:
    """Keep a flatbuffer for the next process.

    It appears whole or not at all, so that processes may convert the same weights at once. A folder
    that cannot be written costs the next start some seconds, nothing else: a warning says so.
    """
    path = cached_path(spec, weights_sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file:
            file.write(flatbuffer)
    except OSError as error:
        LOGGER.warning(
            "cannot keep the converted model in %s (%s); every start converts it again, some "
            "seconds each. VECSIM_CACHE=FOLDER names another folder.",
            path.parent,
            error.strerror,
        )


def convert(spec: ModelSpec, weights: str, *, home: Path | None = None) -> bytes:
    """Convert `weights` (a file or "imagenet") in a process of its own; about 6 seconds.

    `home`: Keras' folder, if not the user's own; "imagenet" is downloaded into it unless there.

    Raises `ModelError` with the last line of that process's messages if it fails.
    """
    LOGGER.info("preparing model %s for this machine, once", spec.name)
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-c", _PROGRAM, spec.name, weights]
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_HOME": str(home or keras_home())}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit status {done.returncode}"
        raise ModelError(f"converting {spec.name} failed: {last}")
    return done.stdout


def _convert_here(name: str, weights: str) -> bytes:
    """Return model `name` with `weights` (a file or "imagenet") as a float32 flatbuffer.

    Its input is one picture, float32 (1, size, size, 3); its output float32 (1, dim).
    """
    import socket

    from vecsim.models.families.mobilenet import build_mobilenet
    from vecsim.models.registry import find_spec

    socket.setdefaulttimeout(STALLED_SECONDS)
    tf = import_tensorflow()
    call = concrete_call(build_mobilenet(find_spec(name), weights), 1)
    # `from_keras_model` gives the same bytes but for a few, through a SavedModel on disk: 4 s more.
    flatbuffer: bytes = tf.lite.TFLiteConverter.from_concrete_functions([call]).convert()
    return flatbuffer


def main() -> None:
    """Convert as the command line says, to stdout.

    What TensorFlow and Keras print goes to stderr; its last line says what went wrong.
    """
    result = os.dup(1)
    os.dup2(2, 1)  # Keras prints the progress of its download
    try:
        flatbuffer = _convert_here(*sys.argv[1:])
    except Exception as error:
        plain = isinstance(error, VecsimError)
        text = str(error) if plain else f"{type(error).__name__}: {error}"
        sys.exit(" ".join(text.split()))
    with os.fdopen(result, "wb") as out:
        out.write(flatbuffer)
