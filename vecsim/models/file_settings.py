"""How pictures are given to a model in a file: settings, presets, the text in fingerprints."""

from __future__ import annotations

import json
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
SCALINGS = {
    "0..255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "0..1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1..1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": _IMAGENET,
    "clip": _CLIP,
}
"""Name to mean and standard deviation of the channels, red, green, blue, of pixels from 0 to 1."""

_CHOICES = {
    "resize": ("smooth", "nearest", "lanczos"),
    "scaling": tuple(SCALINGS),
    "channels": ("rgb", "bgr"),
    "layout": ("nchw", "nhwc"),
    "colours": ("stored", "srgb"),
    "ground": ("white", "contrast"),
}

PRESETS: Mapping[str, Mapping[str, object]] = {
    "sscd": {"size": 288, "scaling": "imagenet"},
    "clip": {"size": 224, "scaling": "clip"},
    "dinov2": {"size": 224, "scaling": "imagenet"},
    "torchvision": {"size": 224, "scaling": "imagenet"},
    "mobilenet": {"size": 224, "scaling": "-1..1"},
    "mobilenet-v3": {"size": 224, "scaling": "0..255"},
    "efficientnet": {"size": 224, "scaling": "0..255"},
}
"""Settings of well-known models, as their authors publish them; all squash the picture."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How pictures become the input of a model file, and which output is the vector.

    `size`: side of the square in pixels; `layout`: "nchw" or "nhwc"; None for what the file says.
    `resize`, `colours`, `ground`: see `Preparation`. `scaling`: a key of `SCALINGS`. `channels`:
    their order. `output`: name of the output, empty for the first. `threshold`: the usual one.

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

    def __post_init__(self) -> None:
        if not self.scaling:
            raise UsageError(
                f"say how the model's input is scaled: scaling is one of {', '.join(SCALINGS)}, or "
                f"a preset has it: {', '.join(PRESETS)}."
            )
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (name == "layout" and value is None):
                raise UsageError(f"{name}={value!r}: choose one of {', '.join(choices)}.")
        if self.size is not None and not 1 <= self.size <= 4096:
            raise UsageError(f"size={self.size}: must be from 1 to 4096 pixels.")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise UsageError(f"threshold={self.threshold}: must be from -1 to 1.")
        if "," in self.output:
            raise UsageError(f"output={self.output!r}: a name with a comma cannot be chosen.")

    @property
    def preparation(self) -> Preparation:
        """The preparation of pictures; `size` is known."""
        assert self.size is not None
        return Preparation(self.size, self.resize, colours=self.colours, ground=self.ground)

    @property
    def text(self) -> str:
        """Everything that changes a vector, as fingerprints hold it; `of_text` reads it again."""
        parts = (self.preparation.text, self.scaling, self.channels, self.layout, self.output)
        return ",".join(str(part) for part in parts).rstrip(",")

    def scale(self, pixels: UInt8) -> Float32:
        """Convert one picture, uint8 (1, size, size, 3), to the model's input, float32."""
        mean, deviation = (np.array(values, np.float32) for values in SCALINGS[self.scaling])
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
    values: dict[str, Any] = {**PRESETS.get(preset, {}), **given}
    known = {field.name for field in fields(FileSettings)}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"{name!r} is no setting: known are preset, {', '.join(known)}.")
        try:
            convert = {"size": int, "threshold": float}.get(name, str)
            values[name] = convert(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}={value!r}: must be a number.") from error
    return FileSettings(**values)


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
        settings = FileSettings(
            int(size),
            resize,
            scaling,
            channels,
            layout,
            "".join(output),
            colours="srgb" if "srgb" in others else "stored",
            ground="contrast" if "contrast" in others else "white",
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
    return replace(settings, size=size, layout=layout)
