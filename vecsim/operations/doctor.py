"""Examines the installation and this machine: what vecsim needs, what is missing, what is slow."""

from __future__ import annotations

import difflib
import os
import platform
import shutil
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from vecsim import system
from vecsim.hints import Action, Hint
from vecsim.machine import file_system_of, is_network_file_system, measure_writes, usable_cores
from vecsim.models import diagnosis
from vecsim.models.devices import has_gpu_device
from vecsim.models.inference import has_tensorflow

_SLOW_SYNC = 0.050  # seconds; a commit waits for about five of them
_SLOW_DISK = 20.0  # megabytes a second

_LITTLE_SPACE = 2e9  # bytes
_BYTES_PER_IMAGE = 4_600  # a vector of 1,024 dimensions, its row and its sketch
_FEW_FILES = 512  # decoders, downloads and segments take a few hundred
_NETWORK_SECONDS = 10.0
_MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}
_SECRET = ("_HEADER", "_HEADERS")


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact about a topic, `advice` if something is wrong, and a `hint` at what vecsim can do."""

    topic: str
    text: str
    advice: str = ""
    hint: Hint | None = None

    @property
    def status(self) -> str:
        """Return "ok" or "warning"."""
        return "warning" if self.advice else "ok"


def examine(folder: Path, variables: Iterable[str], *, network: bool = False) -> Iterator[Finding]:
    """Examine the libraries, the `folder` for indexes, and this machine; takes some seconds.

    `variables`: the names of all environment variables that vecsim reads. Nothing is requested from
    the internet unless `network`. If `folder` can be written, a file of 32 MB is, and deleted.
    """
    # TensorFlow is imported in a process of its own, meanwhile.
    with diagnosis.TensorFlowProbe() as tensorflow:
        yield _python()
        yield _faiss()
        yield _numkong()
        yield _litert()
        yield _pillow()
        yield _weights()
        yield _converted_models()
        yield from _folder(folder)
        yield _open_files()
        yield _network(ask=network)
        yield _environment(variables)
        yield _tensorflow(tensorflow.result())


# -- libraries and models ------------------------------------------------------------------------


def _python() -> Finding:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.platform()}, {usable_cores()} cores"
    return Finding("python", f"{python} on {machine}; {sys.executable}")


def _faiss() -> Finding:
    """Report FAISS and the instruction sets that it was compiled for."""
    try:
        from vecsim.segments import faiss_kernels

        kernels = faiss_kernels()
    except ImportError as error:
        return _cannot_import("faiss", "faiss-cpu", error)
    text = f"faiss-cpu {version('faiss-cpu')}, kernels {' '.join(kernels) or 'generic'}"
    slow = not kernels and platform.machine() in ("x86_64", "AMD64")
    advice = f"Searches are slow without AVX2. {_reinstall('faiss-cpu')}" if slow else ""
    return Finding("faiss", text, advice)


def _numkong() -> Finding:
    """Report NumKong and the instruction sets that it can use here."""
    from vecsim.search.products import kernel_features

    features = kernel_features()
    if features is None:
        return Finding(
            "numkong",
            "not in use: products are computed in float32",
            f"Answers are the same, but large searches take longer. {_reinstall('numkong')}",
        )
    return Finding("numkong", f"numkong {version('numkong')}, features {' '.join(features)}")


def _litert() -> Finding:
    try:
        return Finding("litert", f"ai-edge-litert {diagnosis.litert_version()}")
    except ImportError as error:
        return _cannot_import("litert", "ai-edge-litert", error)


def _tensorflow(found: diagnosis.TensorFlowFacts) -> Finding:
    """Report TensorFlow, which converts models and runs them on a GPU."""
    if not has_tensorflow():
        return Finding(
            "tensorflow",
            "not installed; only MobileNet, Keras files and GPUs without PyTorch need it",
        )
    if found.error:
        return Finding(
            "tensorflow",
            f"cannot be used: {found.error}",
            f"It is needed once for each MobileNet, and for GPUs. {_reinstall('tensorflow')}",
        )
    gpus = f"{len(found.gpus)} GPUs ({', '.join(found.gpus)})" if found.gpus else "no GPU"
    text = f"tensorflow {found.version}, {gpus}"
    if has_gpu_device() and not found.gpus:
        return Finding(
            "tensorflow",
            f"{text}, though this machine has one",
            "pip install 'tensorflow[and-cuda]' brings NVIDIA's libraries; "
            "CUDA_VISIBLE_DEVICES may hide the GPU.",
        )
    return Finding("tensorflow", text)


def _pillow() -> Finding:
    """Report Pillow and its codecs."""
    from vecsim.decode.extra_formats import extra_codec_versions
    from vecsim.decode.formats import codec_versions

    found, extra = codec_versions(), extra_codec_versions()
    present = [f"{name} {number}" for name, number in (found | extra).items() if number]
    optional = [name for name, number in extra.items() if not number]
    missing = [name for name, number in found.items() if not number]
    text = (
        f"pillow {version('pillow')} with {', '.join(present)}, in processes that can open no file "
        "and no connection"
    )
    if missing:
        advice = f"The wheels on PyPI have them all. {_reinstall('pillow')}"
        return Finding("pillow", f"{text}; without {', '.join(missing)}", advice)
    if optional:
        text += f"; {' and '.join(optional)} with vecsim[heif]"
    return Finding("pillow", text)


def _weights() -> Finding:
    """Report the weights that Keras has downloaded."""
    folder, names = diagnosis.downloaded_weights()
    none = f"none in {folder}; MobileNet's are downloaded when first used"
    return Finding("weights", f"{', '.join(names)} in {folder}" if names else none)


def _converted_models() -> Finding:
    folder, count = diagnosis.converted_models()
    text = f"{count} converted models in {folder}"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if os.access(existing, os.W_OK):
        return Finding("cache", text)
    advice = "Every start converts its model again. VECSIM_CACHE=FOLDER names another folder."
    return Finding("cache", f"{text}, which cannot be written", advice)


def _cannot_import(topic: str, name: str, error: ImportError) -> Finding:
    return Finding(topic, f"{name} cannot be imported: {error}", _reinstall(name))


def _reinstall(name: str) -> str:
    return f"Install it again: pip install --force-reinstall {name}"


# -- the folder for indexes ----------------------------------------------------------------------


def _folder(folder: Path) -> Iterator[Finding]:
    """Report file system, space and speed of `folder`, or of the one in which it would be made."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    name = f"{folder}" if place == folder else f"{folder} (to be made in {place})"
    yield _file_system(name, file_system_of(place))
    yield _free_space(shutil.disk_usage(place).free)
    yield _write_speed(place)


def _file_system(folder: str, kind: str) -> Finding:
    text = f"{folder} on {kind or 'an unknown file system'}"
    advice = ""
    if is_network_file_system(kind):
        advice = "SQLite needs a local disk: build the index there, and copy it for others to read."
    elif kind in _MEMORY_FILE_SYSTEMS:
        advice = "It is in memory, and gone after a restart."
    return Finding("index folder", text, advice)


def _free_space(free: int) -> Finding:
    images = free / _BYTES_PER_IMAGE
    count = f"{images / 1e6:,.0f} million" if images >= 2e6 else f"{images:,.0f}"
    text = f"{free / 1e9:,.1f} GB, enough for {count} images of 1,024 dimensions"
    advice = "Delete something: vecsim stops when a disk is full." if free < _LITTLE_SPACE else ""
    return Finding("free space", text, advice)


def _write_speed(place: Path) -> Finding:
    try:
        speed, sync = measure_writes(place)
    except OSError as error:
        return Finding(
            "write speed",
            f"{place} cannot be written to ({error.strerror})",
            "Indexes here can be read, but not made. Name a folder that you may write to.",
        )
    advice = ""
    if speed < _SLOW_DISK or sync > _SLOW_SYNC:
        advice = "Adding a few images at a time will be slow. Keep indexes on a local SSD."
    text = f"{speed:,.0f} MB/s; an fsync takes {1e3 * sync:.1f} ms"
    return Finding("write speed", text, advice)


# -- the process and its environment -------------------------------------------------------------


def _open_files() -> Finding:
    limits = system.most_open_files()
    if limits is None:
        return Finding("open files", "any number at once")
    soft, hard = limits
    advice = f"Raise it before a large run: ulimit -n {hard}." if soft < _FEW_FILES else ""
    return Finding("open files", f"{soft:,} at once", advice)


def _network(*, ask: bool) -> Finding:
    """Report the proxies and, if `ask`, whether weights can be downloaded through them."""
    proxies = {kind: _without_password(url) for kind, url in urllib.request.getproxies().items()}
    listed = ", ".join(f"{kind} {url}" for kind, url in sorted(proxies.items()))
    text = f"proxies: {listed}" if listed else "no proxy"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        file = os.environ.get(name)
        if file and not Path(file).exists():
            return Finding("network", text, f"{name} names {file}, which does not exist. Unset it.")
    if not ask:
        return Finding("network", f"{text}; not tried", hint=Hint(Action.TRY_NETWORK))
    if diagnosis.can_download_weights(_NETWORK_SECONDS):
        return Finding("network", f"{text}; MobileNet's weights can be downloaded")
    return Finding(
        "network",
        f"{text}; MobileNet's weights cannot be downloaded from here",
        "Copy them to this machine, or use a model that needs no download.",
        Hint(Action.LIST_MODELS),
    )


def _environment(variables: Iterable[str]) -> Finding:
    """Report the variables that are set for vecsim, and those that look misspelt."""
    known = sorted(variables)
    ours = sorted(name for name in os.environ if name.startswith("VECSIM_") or name in known)
    text = ", ".join(f"{name}={_shown(name)}" for name in ours) or "no variable is set"
    advice = []
    for name in ours:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            question = f" Do you mean {near[0]}?" if near else ""
            advice.append(f"{name} is read by no part of vecsim.{question}")
    return Finding("environment", text, " ".join(advice))


def _shown(name: str) -> str:
    """Return the value of a variable without secrets: people paste reports into bug trackers."""
    return "(hidden)" if name.endswith(_SECRET) else _without_password(os.environ[name])


def _without_password(url: str) -> str:
    try:
        user, at, _ = urlsplit(url).netloc.rpartition("@")
    except ValueError:
        return url
    return url.replace(f"{user}@", "***@", 1) if at else url
