"""Facts about the models' libraries and files for `vecsim doctor`.

TensorFlow is imported in another process, so that this one stays small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from vecsim.models import keras_weights
from vecsim.models.conversion import cache_folder
from vecsim.models.families.mobilenet import SPECS, weights_file

PROBE_SECONDS = 60.0
"""How long TensorFlow may take to be imported: 3 seconds are usual, 12 without byte code."""

_PROBE = """
import json
from vecsim.models.inference import import_tensorflow
tf = import_tensorflow()
gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")]
print(json.dumps({"version": tf.__version__, "gpus": gpus}))
"""


@dataclass(frozen=True, slots=True)
class TensorFlowFacts:
    """Version and GPUs of TensorFlow; where it cannot be used, no `version` but an `error`."""

    version: str = ""
    gpus: tuple[str, ...] = ()
    error: str = ""


class TensorFlowProbe:
    """Imports TensorFlow in another process, which ends with the `with` block."""

    def __enter__(self) -> TensorFlowProbe:
        """Start the process."""
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROBE],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def result(self, seconds: float = PROBE_SECONDS) -> TensorFlowFacts:
        """Return what the process found; waits for at most `seconds`."""
        try:
            out, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return TensorFlowFacts(error=f"its import took more than {seconds:.0f} s")
        if self._process.returncode:
            lines = errors.strip().splitlines() or [f"exit status {self._process.returncode}"]
            return TensorFlowFacts(error=lines[-1])
        found = json.loads(out.splitlines()[-1])
        return TensorFlowFacts(found["version"], tuple(found["gpus"]))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def litert_version() -> str:
    """Import LiteRT and return its version; raises ImportError."""
    from ai_edge_litert import interpreter

    assert interpreter
    return version("ai-edge-litert")


def downloaded_weights() -> tuple[Path, list[str]]:
    """Return Keras' folder of weights, and the models whose weights are in it."""
    found = [
        spec.name
        for spec in SPECS
        if spec.preparation.resample == "nearest" and weights_file(spec).exists()
    ]
    return keras_weights.keras_home() / "models", found


def converted_models() -> tuple[Path, int]:
    """Return the folder of converted models, and how many are in it."""
    folder = cache_folder() / "models"
    return folder, len(list(folder.glob("*.tflite")))


def can_download_weights(seconds: float) -> bool:
    """Tell whether the weights of `mobilenet` can be downloaded within `seconds`."""
    return keras_weights.can_download(keras_weights.keras_url(1.0, 224), seconds)
