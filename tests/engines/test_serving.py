"""The embedder of a server: pictures of one batch get the vectors that they get alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.web_server import PICTURES
from vecsim.engines.engine import WorkOptions
from vecsim.engines.serving import RequestEmbedder
from vecsim.errors import ImageError
from vecsim.models import load_embedder
from vecsim.protocols import Embedder
from vecsim.records import Embedded, Failure, Float32, ImageRef, UInt8


class Counting:
    """A model, and how many pictures came to it at a time."""

    def __init__(self, model: Embedder) -> None:
        self.fingerprint = model.fingerprint
        self.preparation = model.preparation
        self.threshold = model.threshold
        self.batches: list[int] = []
        self._model = model

    def embed(self, pixels: UInt8) -> Float32:
        self.batches.append(len(pixels))
        return self._model.embed(pixels)


@pytest.fixture(params=["phash", "mobilenet-0.75-224"])
def model(request: pytest.FixtureRequest) -> Counting:
    weights = None
    if request.param != "phash":
        shared: Path = request.getfixturevalue("shared")
        weights = shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"
    return Counting(load_embedder(request.param, weights=weights))


@pytest.mark.ci
def test_vectors_do_not_depend_on_what_came_with_them(model: Counting) -> None:
    files = [path.read_bytes() for path in sorted(PICTURES.iterdir())]
    for turn in range(18):
        picture, data = Image.open(PICTURES / f"{turn % 6 + 1}.jpg"), io.BytesIO()
        picture.rotate(3 * turn).save(data, "PNG")
        files.append(data.getvalue())
    engine = RequestEmbedder(model, WorkOptions())
    try:
        alone = [_vector(engine, data) for data in files]
        assert set(model.batches) == {1}
        model.batches.clear()
        started = [engine.take(ImageRef(str(n), ""), data) for n, data in enumerate(files * 2)]
        together = [future.result(timeout=120) for future in started]
    finally:
        engine.close()

    assert sum(model.batches) == 2 * len(files)
    assert max(model.batches) > 1
    for number, outcome in enumerate(together):
        assert isinstance(outcome, Embedded) and outcome.ref.id == str(number)
        assert np.array_equal(outcome.vector, alone[number % len(files)])


def _vector(engine: RequestEmbedder, data: bytes) -> Float32:
    outcome = engine.take(ImageRef("alone", ""), data).result(timeout=120)
    assert isinstance(outcome, Embedded)
    return outcome.vector


def test_what_failed_once_is_tried_again_and_files_are_not_read() -> None:
    engine = RequestEmbedder(load_embedder("phash"), WorkOptions())
    try:
        for _ in range(2):
            outcome = engine.take(ImageRef("text", ""), b"no picture").result(timeout=60)
            assert isinstance(outcome, Failure) and outcome.kind == "not-an-image"
        with pytest.raises(ImageError, match="only http and https"):
            engine.fetch(ImageRef("file", str(PICTURES / "1.jpg")))
    finally:
        engine.close()
