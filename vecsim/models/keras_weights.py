"""Keras' weights of MobileNet: finds, checks and downloads them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from vecsim.errors import ModelError, StorageError
from vecsim.files import move_into_place, new_file
from vecsim.hints import Action, Hint

ALPHAS = ("0.25", "0.5", "0.75", "1.0")
SIZES = (128, 160, 192, 224)

DOWNLOAD_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
DOWNLOAD_SECONDS = 15.0
"""How long a model that was asked for by name waits for the network."""


def file_name(alpha: float, size: int) -> str:
    """Return the name Keras gives the ImageNet weights: "mobilenet_7_5_224_tf_no_top.h5"."""
    width = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}[alpha]
    return f"mobilenet_{width}_{size}_tf_no_top.h5"


def keras_url(alpha: float, size: int) -> str:
    """Return where Keras downloads the ImageNet weights from."""
    return DOWNLOAD_FOLDER + file_name(alpha, size)


PINNED_SHA256 = {
    "mobilenet_7_5_224_tf_no_top.h5": (
        "353ac9865c5ad9ff35a4ef9e21e734fb9a01f9bb0d69fcac600a12de95b30e54"
    )
}
"""SHA-256 of files that Keras downloads, where known. Others are pinned at their first use."""


def keras_home() -> Path:
    """Return Keras' own folder: `$KERAS_HOME`, else `~/.keras`, else one in vecsim's cache.

    The last is for users without a home, for whom Keras would read and write weights in `/tmp`,
    where anybody can put some.
    """
    chosen = os.environ.get("KERAS_HOME")
    if chosen:
        return Path(chosen).expanduser()
    try:
        folder = Path("~/.keras").expanduser()
    except RuntimeError:  # neither HOME nor an account
        folder = Path("/nonexistent/.keras")
    if folder.exists() or os.access(folder.parent, os.W_OK):
        return folder
    from vecsim.models.conversion import cache_folder

    return cache_folder() / "keras"


def cache_file(alpha: float, size: int) -> Path:
    """Return where Keras keeps the ImageNet weights; the file need not exist."""
    return keras_home() / "models" / file_name(alpha, size)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; raises `ModelError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the weights file {path}: {error.strerror}") from error


def check_pinned(path: Path, sha256: str) -> None:
    """Raise `ModelError` unless a file of Keras' folder is the one that it was at its first use.

    `sha256`: of the file. At its first use it is recorded in vecsim's cache, unless it is known; a
    cache that cannot be written pins nothing.
    """
    from vecsim.models.conversion import cache_folder

    record = cache_folder() / "weights" / f"{path.name}.sha256"
    expected = PINNED_SHA256.get(path.name)
    try:
        expected = expected or record.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        with contextlib.suppress(OSError):
            record.parent.mkdir(parents=True, exist_ok=True)
            with new_file(record) as file:
                file.write(sha256.encode())
        return
    if sha256 != expected:
        raise ModelError(
            f"{path} is not the file that it should be: its SHA-256 is {sha256}, not {expected}.",
            hint=Hint(Action.DELETE_WEIGHTS),
        )


def check_weights(path: Path, model: str, alpha: float, size: int) -> None:
    """Raise `ModelError` unless `path` holds a MobileNet of width `alpha`, without a classifier.

    `size` must be that in the name of the file, where there is one. `model`: for the message.
    """
    holds = describe_weights(path)
    wanted = f"{model} needs MobileNet of width {alpha} without its classifier"
    if holds != (alpha, False):
        held_alpha, has_top = holds
        top = "with its classifier" if has_top else "without its classifier"
        raise ModelError(f"{path} holds MobileNet of width {held_alpha} {top}; {wanted}.")
    named = size_in_name(path)
    if named not in (None, size):
        raise ModelError(
            f"{path} holds, by its name, weights trained at {named} pixels; {wanted}, trained at "
            f"{size}.",
            hint=Hint(Action.RENAME_WEIGHTS),
        )


def describe_weights(path: Path) -> tuple[float, bool]:
    """Return (width, has a classifier) of the MobileNet whose Keras weights `path` holds.

    Raises `ModelError` if the file cannot be read, is no HDF5 file, or is of something else.
    """
    shapes = _kernel_shapes(path)
    for alpha in map(float, ALPHAS):
        last = int(1024 * alpha)
        if (3, 3, 3, int(32 * alpha)) in shapes and (1, 1, last, last) in shapes:
            return alpha, (1, 1, last, 1000) in shapes
    raise ModelError(
        f"{path} is an HDF5 file, but not of Keras' MobileNet weights; expected is a file like "
        "mobilenet_1_0_224_tf_no_top.h5."
    )


def _kernel_shapes(path: Path) -> set[tuple[int, ...]]:
    """Return the shapes of all four-dimensional arrays in an HDF5 file."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"cannot read the weights file {path}: {error.strerror}") from error
    import h5py

    shapes: set[tuple[int, ...]] = set()

    def note(_name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 4:
            shapes.add(item.shape)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{path} is not a Keras .h5 weights file, or was cut short "
            f"({path.stat().st_size} bytes); expected is a file like "
            "mobilenet_1_0_224_tf_no_top.h5."
        ) from error
    return shapes


def size_in_name(path: Path) -> int | None:
    """Return the picture size in a file name of Keras' form; None for other names."""
    found = re.match(r"mobilenet_\d_\d_(\d+)_tf", path.name)
    return int(found[1]) if found and int(found[1]) in SIZES else None


def download(
    model: str,
    alpha: float,
    size: int,
    convert: Callable[[Path], bytes],
    expected_sha256: str = "",
) -> tuple[bytes, str]:
    """Let Keras download weights into its cache; returns (what `convert` returned, SHA-256).

    `convert` is given a Keras folder, downloads into it and converts. Keras writes while it
    downloads, so that folder is a temporary one: a download that is killed, or a second process,
    leaves no cut file where weights are looked for.

    Raises `ModelError` if the weights cannot be downloaded (`expected_sha256`: those of the index,
    for the message), `StorageError` if they cannot be kept.
    """
    url, target, home = keras_url(alpha, size), cache_file(alpha, size), keras_home()
    which = f" (SHA-256 {expected_sha256})" if expected_sha256 else ""
    missing = f"the weights of {model} are missing{which}"
    hint = Hint(Action.GET_WEIGHTS, file=target.name, url=url, folder=target.parent)
    if not can_download(url, DOWNLOAD_SECONDS):
        raise ModelError(f"{missing}: they cannot be downloaded from here.", hint=hint)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix="vecsim-") as folder:
            converted = convert(Path(folder))
            move_into_place(Path(folder, "models", target.name), target)
    except OSError as error:
        raise StorageError(
            f"cannot keep {target.name} in Keras' folder {home} ({error.strerror}).",
            hint=Hint(Action.CHOOSE_KERAS_FOLDER),
        ) from error
    except ModelError as error:
        raise ModelError(f"{missing}: {error.message}.", hint=hint) from error
    return converted, file_sha256(target)


def can_download(url: str, seconds: float) -> bool:
    """Tell whether `url` answers a HEAD request with 200 within `seconds`.

    The request goes the way Keras' download goes (`urllib`, with the proxies of the environment).
    Resolving a name has no time limit of its own, so the request runs in a thread that is left
    behind when time is up.
    """
    answered = threading.Event()
    done = threading.Event()

    def ask() -> None:
        import urllib.request
        from http.client import HTTPException

        request = urllib.request.Request(url, method="HEAD")
        try:
            # A new opener reads today's proxies; `urlopen` keeps those of its first call.
            with urllib.request.build_opener().open(request, timeout=seconds) as response:
                if response.status == 200:
                    answered.set()
        except (OSError, ValueError, HTTPException):  # no connection, or a proxy that is no URL
            pass
        finally:
            done.set()

    threading.Thread(target=ask, name="vecsim-can-download", daemon=True).start()
    done.wait(seconds)
    return answered.is_set()
