"""A pipeline closed before its run is complete, as after a full disk or an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.shop import picture
from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.protocols import Preparation
from vecsim.records import Fingerprint, Float32, ImageRef, UInt8


class Grey:
    """A model whose vectors are all the same."""

    fingerprint = Fingerprint("grey", "", "", 1)
    preparation = Preparation(8, "nearest")
    threshold = 1.0

    def embed(self, pixels: UInt8) -> Float32:
        return np.ones((len(pixels), 1), np.float32)


def test_pictures_that_wait_for_a_decoder_are_dropped_without_a_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    large = picture(1, 1500)
    refs = []
    for number in range(60):
        file = tmp_path / f"{number}.png"
        file.write_bytes(large + bytes([number]))  # other bytes, the same picture
        refs.append(ImageRef(str(number), str(file)))

    class DiskFullError(Exception):
        pass

    with (
        pytest.raises(DiskFullError),
        local_pipeline(Grey(), WorkOptions(), cores=1) as pipeline,
    ):
        for outcome in pipeline.run(iter(refs)):
            if outcome is not None:
                raise DiskFullError
    assert caplog.text == ""
    assert capfd.readouterr().err == ""
