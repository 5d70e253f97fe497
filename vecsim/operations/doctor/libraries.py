"""The libraries that do the work, and the models' files."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from vecsim.machine import usable_cores
from vecsim.models import diagnosis
from vecsim.models.inference import has_gpu_device
from vecsim.operations.doctor.finding import Finding

_AGAIN = "Install it again: pip install --force-reinstall {name}"


def python() -> Finding:
    """The interpreter and the machine."""
    name, number = platform.python_implementation(), platform.python_version()
    text = f"{name} {number} on {platform.platform()}, {usable_cores()} cores; {sys.executable}"
    return Finding("python", text)


def faiss() -> Finding:
    """FAISS and the instructions it was compiled for."""
    try:
        from vecsim.segments import faiss_kernels

        kernels = faiss_kernels()
    except ImportError as error:
        return _cannot_import("faiss-cpu", error)
    text = f"faiss-cpu {version('faiss-cpu')}, kernels {' '.join(kernels) or 'generic'}"
    if not kernels and platform.machine() in ("x86_64", "AMD64"):
        return Finding("faiss", text, "Searches are slow without AVX2. " + _again("faiss-cpu"))
    return Finding("faiss", text)


def numkong() -> Finding:
    """NumKong and the instructions it chooses from."""
    from vecsim.search.kernel import kernel_features

    features = kernel_features()
    if features is None:
        return Finding(
            "numkong",
            "not in use: products are computed in float32",
            "Answers are the same, but large searches take longer. " + _again("numkong"),
        )
    return Finding("numkong", f"numkong {version('numkong')}, features {' '.join(features)}")


def litert() -> Finding:
    """LiteRT, which runs the models on a CPU."""
    try:
        return Finding("litert", f"ai-edge-litert {diagnosis.litert_version()}")
    except ImportError as error:
        return _cannot_import("ai-edge-litert", error)


def tensorflow(found: diagnosis.TensorFlowFacts) -> Finding:
    """TensorFlow, which converts models and runs them on a GPU."""
    if found.trouble:
        return Finding(
            "tensorflow",
            f"cannot be used: {found.trouble}",
            "It is needed once for each MobileNet, and for GPUs. " + _again("tensorflow"),
        )
    text = f"tensorflow {found.version}, {_listed('GPU', found.gpus)}"
    if has_gpu_device() and not found.gpus:
        return Finding(
            "tensorflow",
            f"{text}, though this machine shows one",
            "pip install 'tensorflow[and-cuda]' brings NVIDIA's libraries; "
            "CUDA_VISIBLE_DEVICES may hide it.",
        )
    return Finding("tensorflow", text)


def pillow() -> Finding:
    """Pillow and its codecs."""
    from vecsim.decode.codecs import codecs

    found = codecs()
    have = [f"{name} {number}" for name, number in found.items() if number]
    lack = [name for name, number in found.items() if not number]
    text = f"pillow {version('pillow')} with {', '.join(have)}"
    if lack:
        what = f"{text}; without {', '.join(lack)}"
        return Finding("pillow", what, "pip's wheels have them all. " + _again("pillow"))
    return Finding("pillow", text)


def weights() -> Finding:
    """The weights that Keras keeps."""
    folder, names = diagnosis.weights_here()
    if names:
        return Finding("weights", f"{', '.join(names)} in {folder}")
    return Finding("weights", f"none in {folder}; MobileNet's are downloaded when first used")


def converted_models() -> Finding:
    """The models converted for LiteRT, and whether more can be kept."""
    folder, count = diagnosis.converted_here()
    text = f"{count} converted models in {folder}"
    if not os.access(_nearest(folder), os.W_OK):
        return Finding(
            "cache",
            f"{text}, which cannot be written",
            "Every start converts its model anew. VECSIM_CACHE=FOLDER names another folder.",
        )
    return Finding("cache", text)


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _cannot_import(name: str, error: ImportError) -> Finding:
    return Finding(name.partition("-")[0], f"{name} cannot be imported: {error}", _again(name))


def _again(name: str) -> str:
    return _AGAIN.format(name=name)


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{len(names)} {what}s ({', '.join(names)})" if names else f"no {what}"
