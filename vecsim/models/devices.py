"""Says which library runs a model of the package: LiteRT, PyTorch, or Keras on TensorFlow.

PyTorch and TensorFlow are imported only where a GPU may be used.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Literal

from vecsim.errors import ModelError
from vecsim.hints import Action, Hint
from vecsim.models.inference import gpu_count, has_tensorflow, quiet_stderr


def library_for(device: str) -> Literal["litert", "keras", "torch"]:
    """Return the library that runs a model on `device`.

    "gpu" is PyTorch if it sees a GPU, else TensorFlow. "auto" never is PyTorch, which compiles the
    network first, for longer than most commands take.
    Raises `ModelError` if `device` is "gpu" and neither sees one.
    """
    if device == "torch-cpu" or (device == "gpu" and _torch_sees_gpu()):
        return "torch"
    if device == "keras-cpu" or (device in ("auto", "gpu") and _tensorflow_sees_gpu()):
        return "keras"
    if device == "gpu":
        raise ModelError(_why_no_gpu(), hint=Hint(Action.USE_CPU))
    return "litert"


def _why_no_gpu() -> str:
    has_torch = importlib.util.find_spec("torch") is not None
    if has_torch and has_tensorflow():
        return "Neither PyTorch nor TensorFlow sees a GPU on this machine."
    if has_torch:
        return "PyTorch sees no GPU on this machine."
    if has_tensorflow():
        return "TensorFlow sees no GPU on this machine."
    return "A GPU needs PyTorch or TensorFlow, and neither is installed: pip install 'vecsim[gpu]'."


def has_gpu_device() -> bool:
    """Return whether the machine shows an NVIDIA GPU, whether or not TensorFlow can use it."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _gpus_hidden() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")


def _tensorflow_sees_gpu() -> bool:
    """Return whether TensorFlow sees a GPU; it is imported only where the machine shows one."""
    return not _gpus_hidden() and has_gpu_device() and has_tensorflow() and gpu_count() > 0


def _torch_sees_gpu() -> bool:
    """Return whether PyTorch sees a GPU; False where it is not installed or cannot be imported."""
    if _gpus_hidden() or importlib.util.find_spec("torch") is None:
        return False
    with quiet_stderr():  # a driver that is too old is a warning
        try:
            import torch
        except (ImportError, OSError):  # OSError: a library of NVIDIA's is missing
            return False
        return bool(torch.cuda.is_available())
