"""How pictures are given to a model in a file: settings, presets, the text in fingerprints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from vecsim.errors import InputError, ModelError, UsageError
from vecsim.protocols import Preparation
from vecsim.records import Fingerprint, Float32, UInt8

FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".keras": "keras"}
"""Extension of a model file to the name of its model in fingerprints."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
SCALINGS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "0..1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1..1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": _IMAGENET,
    "clip": _CLIP,
}
"""Name to mean and standard deviation of the channels, red, green, blue, of pixels from 0 to 1."""

MAX_BATCH = 1024

_NUMBERS: Mapping[str, type[int] | type[float]] = {
    "size": int,
    "batch": int,
    "threshold": float,
    "crop": float,
}
"""Settings that are numbers."""

_CHOICES = {
    "resize": ("smooth", "nearest", "bicubic", "lanczos"),
    "channels": ("rgb", "bgr"),
    "layout": ("nchw", "nhwc"),
    "colours": ("stored", "srgb"),
    "ground": ("white", "contrast"),
    "margins": ("kept", "trimmed"),
}

PRESETS: Mapping[str, Mapping[str, object]] = {
    "sscd": {"size": 320, "scaling": "imagenet"},
    "clip": {"size": 224, "scaling": "clip", "resize": "bicubic", "crop": 1.0},
    "dinov2": {"size": 224, "scaling": "imagenet", "resize": "bicubic", "crop": 0.875},
    "torchvision": {"size": 224, "scaling": "imagenet", "crop": 0.875},
    "mobilenet": {"size": 224, "scaling": "-1..1"},
    "mobilenet-v3": {"size": 224, "scaling": "0..255"},
    "efficientnet": {"size": 224, "scaling": "0..255"},
}
"""Settings of well-known models, as their authors publish them. Those with a crop have the shorter
side resized to 224 (CLIP) or 256 pixels before; SSCD and the networks of Keras take all of it, SSCD
squashed to 320 pixels ("skew_320" in its README). Torchvision: weights of the first version."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How pictures become the input of a model file, and which output is the vector.

    `size`: side of the square in pixels; `layout`: "nchw" or "nhwc"; None for what the file says.
    `resize`, `colours`, `ground`, `margins`, `crop`: see `Preparation`. `scaling`: a key of
    `SCALINGS`, or what `own_scaling` returns. `channels`: their order. `output`: name of the
    output, empty for the first. `threshold`: the usual one. `batch`: how many pictures each run of
    the network takes; None for what the file says, or one.

    Raises `UsageError` for values that are none.
    """

    size: int | None = None
    resize: str = "smooth"
    scaling: str = ""
    channels: str = "rgb"
    layout: str | None = None
    output: str = ""
    threshold: float | None = None
    colours: str = "stored"
    ground: str = "white"
    margins: str = "kept"
    crop: float = 0.0
    batch: int | None = None

    def __post_init__(self) -> None:
        if not self.scaling:
            raise UsageError(
                f"say how the model's input is scaled: scaling is one of {', '.join(SCALINGS)}, or "
                f"mean and deviation say it, or a preset has it: {', '.join(PRESETS)}."
            )
        mean_and_deviation(self.scaling)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "layout" and value is None):
                raise UsageError(f"{name}={value!r}: choose one of {', '.join(choices)}.")
        if self.size is not None and not 1 <= self.size <= 4096:
            raise UsageError(f"size={self.size}: must be from 1 to 4096 pixels.")
        if not 0 <= self.crop <= 1 or round(self.crop, 4) != self.crop:
            raise UsageError(f"crop={self.crop}: must be from 0 to 1, with at most four decimals.")
        if self.batch is not None and not 1 <= self.batch <= MAX_BATCH:
            raise UsageError(f"batch={self.batch}: must be from 1 to {MAX_BATCH} pictures.")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise UsageError(f"threshold={self.threshold}: must be from -1 to 1.")
        if "," in self.output:
            raise UsageError(f"output={self.output!r}: a name with a comma cannot be chosen.")

    @property
    def preparation(self) -> Preparation:
        """The preparation of pictures; `size` is known."""
        assert self.size is not None
        return Preparation(
            self.size,
            self.resize,
            colours=self.colours,
            ground=self.ground,
            margins=self.margins,
            crop=self.crop,
        )

    @property
    def text(self) -> str:
        """Everything that changes a vector, as fingerprints hold it; `of_text` reads it again."""
        batch = f"x{self.batch}" if (self.batch or 1) > 1 else ""
        layout = f"{self.layout}{batch}"
        parts = (self.preparation.text, self.scaling, self.channels, layout, self.output)
        return ",".join(str(part) for part in parts).rstrip(",")

    def scale(self, pixels: UInt8) -> Float32:
        """Convert pictures, uint8 (n, size, size, 3), to the model's input, float32."""
        both = mean_and_deviation(self.scaling)
        mean, deviation = (np.array(values, np.float32) for values in both)
        scaled = (pixels.astype(np.float32) / np.float32(255) - mean) / deviation
        if self.scaling == "0..255":  # without the rounding of a division and its inverse
            scaled = pixels.astype(np.float32)
        if self.channels == "bgr":
            scaled = scaled[..., ::-1]
        if self.layout == "nchw":
            scaled = scaled.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(scaled)


def read_settings(path: Path, options: Mapping[str, str]) -> FileSettings:
    """Return the settings for the model file at `path`.

    Those of `options` come first, then those of the JSON file beside it (`model.onnx.json`), then
    those of the preset that either names. Raises `InputError` for a JSON file that cannot be used,
    `UsageError` for an unknown or invalid setting.
    """
    given: dict[str, Any] = {**_read_beside(path), **options}
    preset = given.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"preset={preset!r}: choose one of {', '.join(PRESETS)}.")
    own = {name: given.pop(name) for name in ("mean", "deviation") if name in given}
    if own and "scaling" in given:
        raise UsageError("scaling and mean, deviation say the same: give one of them.")
    if own:
        given["scaling"] = own_scaling(own.get("mean", 0.0), own.get("deviation", 1.0))
    values: dict[str, Any] = {**PRESETS.get(preset, {}), **given}
    known = {field.name for field in fields(FileSettings)}
    for name, value in values.items():
        if name not in known:
            names = ", ".join(("preset", "mean", "deviation", *known))
            raise UsageError(f"{name!r} is no setting: known are {names}.")
        try:
            values[name] = _NUMBERS.get(name, str)(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}={value!r}: must be a number.") from error
    return FileSettings(**values)


def own_scaling(mean: Any, deviation: Any) -> str:
    """Return a scaling by a mean and a deviation of pixels from 0 to 1, for `FileSettings`.

    Each is a number, three of them, or a text of them with commas. Raises `UsageError`.
    """
    parts = []
    for name, given in (("mean", mean), ("deviation", deviation)):
        some = given.split(",") if isinstance(given, str) else given
        some = some if isinstance(some, list | tuple) else [some]
        try:
            numbers = [float(each) for each in some]
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}={given!r}: must be one number or three.") from error
        parts += [name, *map(repr, numbers * 3 if len(numbers) == 1 else numbers)]
    text = " ".join(parts)
    mean_and_deviation(text)
    return text


def mean_and_deviation(scaling: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel, of pixels from 0 to 1.

    Raises `UsageError` for a scaling that is none.
    """
    if scaling in SCALINGS:
        return SCALINGS[scaling]
    words = scaling.split(" ")
    try:
        mean, deviation = (tuple(map(float, words[at : at + 3])) for at in (1, 5))
    except ValueError:
        mean = deviation = ()
    usable = len(words) == 8 and (words[0], words[4]) == ("mean", "deviation")
    finite = all(math.isfinite(each) for each in (*mean, *deviation))
    if not usable or not finite or min(deviation, default=0.0) <= 0:
        names = ", ".join(SCALINGS)
        raise UsageError(
            f"scaling={scaling!r}: choose one of {names}, or give mean and deviation: one number "
            "or three each, the deviation above 0."
        )
    return mean, deviation


def _read_beside(path: Path) -> dict[str, Any]:
    beside = path.with_name(f"{path.name}.json")
    if not beside.exists():
        return {}
    try:
        found = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{beside}: the settings of the model cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{beside}: must hold a JSON object of settings.")
    return found


def settings_of_fingerprint(fingerprint: Fingerprint) -> FileSettings | None:
    """Return the settings that a fingerprint of a model file holds; None for another model.

    Raises `ModelError` if they are not written as `FileSettings.text` writes them.
    """
    if fingerprint.model not in FORMATS.values():
        return None
    try:
        prepared, scaling, channels, layout, *output = fingerprint.preprocessing.split(",")
        resize, size, *others = prepared.split("-")
        layout, _, batch = layout.partition("x")
        crops = [float(each.removeprefix("crop")) for each in others if each.startswith("crop")]
        settings = FileSettings(
            int(size),
            resize,
            scaling,
            channels,
            layout,
            "".join(output),
            colours="srgb" if "srgb" in others else "stored",
            ground="contrast" if "contrast" in others else "white",
            margins="trimmed" if "trimmed" in others else "kept",
            crop=crops[0] if crops else 0.0,
            batch=int(batch) if batch else None,
        )
    except (ValueError, UsageError) as error:
        raise ModelError(f"{fingerprint} is no model file that vecsim can read.") from error
    if settings.text != fingerprint.preprocessing:
        raise ModelError(f"{fingerprint}: this version of vecsim prepares pictures in another way.")
    return settings


def fitted(settings: FileSettings, shape: tuple[int | None, ...], place: str) -> FileSettings:
    """Complete settings by the shape of a model's input, None where it is not fixed.

    Raises `ModelError` if it takes no batch of colour pictures, or another size than is set,
    `UsageError` if neither says the size.
    """
    layout = settings.layout
    if layout is None and len(shape) == 4:
        layout = "nhwc" if shape[3] == 3 else "nchw" if shape[1] == 3 else None
    if layout is None or len(shape) != 4 or shape[1 if layout == "nchw" else 3] not in (3, None):
        raise ModelError(f"{place}: its input, of the shape {shape}, is no batch of RGB pictures.")
    sides = {side for side in (shape[2:] if layout == "nchw" else shape[1:3]) if side is not None}
    if len(sides) > 1 or (sides and settings.size not in (None, *sides)):
        raise ModelError(f"{place}: takes pictures of {shape}, not squares of {settings.size}.")
    size = settings.size or next(iter(sides), None)
    if size is None:
        raise UsageError(f"{place}: takes pictures of any size: set the size.")
    if shape[0] is not None and settings.batch not in (None, shape[0]):
        raise ModelError(f"{place}: takes {shape[0]} pictures at once, not {settings.batch}.")
    return replace(settings, size=size, layout=layout, batch=shape[0] or settings.batch)
