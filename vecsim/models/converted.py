"""Flatbuffers converted from Keras weights: made once for each file, kept in vecsim's cache."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from vecsim.errors import ModelError
from vecsim.files import new_file
from vecsim.models.registry import Spec
from vecsim.models.weights import keras_home

CONVERSION = "v1"
"""Part of the key: change it when `convert` yields another function."""

LOGGER = logging.getLogger("vecsim.models")


def cache_folder() -> Path:
    """The cache of vecsim: `$VECSIM_CACHE`, else the platform's place for caches."""
    chosen = os.environ.get("VECSIM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("vecsim", appauthor=False))


def cached_path(spec: Spec, weights_sha256: str) -> Path:
    """Where the flatbuffer of these weights is kept. Both kinds of resize share one."""
    name = spec.name.removesuffix("-smooth")
    return cache_folder() / "models" / f"{name}-{weights_sha256}-{CONVERSION}.tflite"


def read_cached(spec: Spec, weights_sha256: str) -> bytes | None:
    """The flatbuffer of these weights, if it was converted before."""
    if not re.fullmatch(r"[0-9a-f]{64}", weights_sha256):  # an index may come from anybody
        return None
    try:
        return cached_path(spec, weights_sha256).read_bytes()
    except OSError:
        return None


def write_cached(spec: Spec, weights_sha256: str, flatbuffer: bytes) -> None:
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
            "cannot keep the converted model in %s (%s); every start converts it anew, some "
            "seconds each. VECSIM_CACHE=FOLDER names another folder.",
            path.parent,
            error.strerror,
        )


def convert(spec: Spec, weights: str, *, home: Path | None = None) -> bytes:
    """Convert `weights` (a file or "imagenet") in a process of its own; about 6 seconds.

    `home`: Keras' folder, if not the user's own; "imagenet" is downloaded into it unless there.

    Raises `ModelError` with that process's last words if it fails.
    """
    LOGGER.info("preparing model %s for this machine, once", spec.name)
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "vecsim.models.convert", spec.name, weights]
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_HOME": str(home or keras_home())}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        last = words[-1] if words else f"exit status {done.returncode}"
        raise ModelError(f"converting {spec.name} failed: {last}")
    return done.stdout
