"""Which image codecs this Pillow has."""

from __future__ import annotations

from PIL import features

_CODECS = {"libjpeg_turbo": "JPEG turbo", "zlib": "PNG", "webp": "WebP", "avif": "AVIF"}


def codecs() -> dict[str, str]:
    """The version of each codec that images on the web need; empty where there is none."""
    return {
        name: (features.version(feature) or "" if features.check(feature) else "")
        for feature, name in _CODECS.items()
    }
