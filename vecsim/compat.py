"""Drop-in replacement for the predecessor: its scripts run after a change of one import.

    from vecsim.compat import ImageSimilarity, DeepModel

Methods, files and messages are those of ImageSimilarity (github.com/ryanfwy/image-similarity).
The model is `VECSIM_MODEL` (by default `mobilenet`, as before) with the weights `VECSIM_WEIGHTS`.
Where the predecessor lost data silently, this one prints it: images that could not be loaded, and
rows of a CSV with too many or too few columns.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from vecsim.decode import decode_image
from vecsim.engines.engine import WorkOptions
from vecsim.engines.local_pipeline import local_pipeline
from vecsim.errors import InputError, ModelError, UsageError
from vecsim.fetch import FetchOptions
from vecsim.models import load_embedder
from vecsim.pipeline import PipelineOptions
from vecsim.protocols import Embedder, Preparation
from vecsim.records import Embedded, Failure, Float32, ImageRef
from vecsim.render.terminal import cleaned

Lines = Sequence[Sequence[str]] | npt.NDArray[np.str_]

# A matrix larger than this is returned as a memory map of a temporary file.
_LARGEST_IN_MEMORY = 256 << 20
_ROWS = 1_024


class DeepModel:
    """MobileNet, as the predecessor's scripts use it."""

    def __init__(self) -> None:
        self._embedder = _load()

    @staticmethod
    def preprocess_image(path: str | os.PathLike[str] | BytesIO) -> Float32:
        """Read an image for the model: float32 (224, 224, 3), RGB from -1 to 1."""
        data = path.read() if isinstance(path, BytesIO) else Path(path).read_bytes()
        pixels = decode_image(data, Preparation(size=224, resample="nearest")).pixels
        return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)

    @staticmethod
    def cosine_distance(
        input1: npt.NDArray[np.floating], input2: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.floating]:
        """Cosines of the rows of two arrays (n, d) and (m, d): (n, m), from -1 to 1."""
        lengths1 = np.linalg.norm(input1, axis=1, keepdims=True)
        lengths2 = np.linalg.norm(input2, axis=1, keepdims=True)
        cosines: npt.NDArray[np.floating] = np.dot(input1, input2.T) / np.dot(lengths1, lengths2.T)
        return cosines

    def extract_feature(self, generator: Any) -> Float32:
        """Features (n, dim) of the batches of a sequence, as `preprocess_image` made them."""
        batches = [self._features(generator[number]) for number in range(len(generator))]
        return np.concatenate(batches)

    def _features(self, pictures: Iterable[Float32]) -> Float32:
        return self._embedder.embed(np.stack([_as_pixels(picture) for picture in pictures]))


class ImageSimilarity:
    """Compares two lists of images: a matrix of cosines, and the best match of each image.

    `batch_size`: pictures through the model together. `num_processes`: downloads at once.
    `user_agent`: the header User-Agent of downloads; None for vecsim's own.
    """

    def __init__(self) -> None:
        self._tmp_dir = "./__generated__"
        self.batch_size = 64
        self.num_processes = 4
        self.user_agent: str | None = None
        self._model: DeepModel | None = None
        self._title: list[str] = []

    @staticmethod
    def _sub_process(para: dict[str, Any]) -> tuple[Float32 | None, Any]:
        """Read one image; override it for images that have no URL.

        `para`: the `path` of the image and the `fields` of its row. Returns what
        `DeepModel.preprocess_image` made and the fields, or (None, None) if there is no image.
        """
        return DeepModel.preprocess_image(para["path"]), para["fields"]

    @staticmethod
    def load_data_csv(
        fname: str | os.PathLike[str],
        delimiter: str | None = None,
        include_header: bool = True,
        cols: Sequence[str] | None = None,
    ) -> npt.NDArray[np.str_]:
        """The rows of a CSV file as an array of str, (rows, columns).

        `cols`: the columns to read, by the names of the header. Rows with another number of columns
        than the first one are left out and reported on standard error.
        """
        if delimiter is None:
            raise UsageError("load_data_csv: a delimiter is required, such as delimiter=','.")
        with Path(fname).open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(csv.reader(file, delimiter=delimiter), fname))
        if include_header and rows:
            header = [name.strip() for name in rows.pop(0)]
            for name in cols or ():
                if name not in header:
                    raise InputError(f"{fname}: no column {name!r}; there are {', '.join(header)}.")
            places = [header.index(name) for name in cols or header]
            rows = [[row[place] for place in places] for row in rows]
        data = np.array(rows, dtype=str)
        return data if data.ndim > 1 else data.reshape(1, -1)

    @staticmethod
    def load_data_h5(fname: str | os.PathLike[str]) -> npt.NDArray[np.floating]:
        """The features of a generated `.h5` file, (n, dim)."""
        import h5py

        with h5py.File(fname, "r") as file:
            return np.array(file["data"])

    def save_data(self, title: str, lines: Lines) -> None:
        """Download the images of `lines`, whose last field is the URL; save features and fields.

        Writes `_TITLE_feature.h5` and `_TITLE_fields.csv` (separated by tabs) to `__generated__`.
        """
        if self._model is None:
            self._model = DeepModel()
        _print(f"{title}: download starts.")
        start = time.monotonic()
        overridden = type(self)._sub_process is not ImageSimilarity._sub_process
        results = self._overridden(lines) if overridden else self._downloaded(lines)
        pairs = list(results)
        fields = [line for _, line in pairs]
        self._title = [*self._title, title] if len(self._title) < 2 else [title]
        Path(self._tmp_dir).mkdir(exist_ok=True)
        self._write_features(title, [feature for feature, _ in pairs])
        fname = Path(self._tmp_dir) / f"_{title}_fields.csv"
        with fname.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows(fields)
        _print(f"{title}: fields saved to `{fname}`.")
        _print(f"{title}: download succeeded.")
        _print("Amount:", len(fields))
        if len(fields) < len(lines):
            _print(f"Left out, because they could not be loaded: {len(lines) - len(fields)}")
        _print("Time consumed:", timedelta(seconds=time.monotonic() - start))
        _print()

    def iteration(
        self,
        save_header: Sequence[str],
        thresh: float = 0.845,
        title1: str | None = None,
        title2: str | None = None,
    ) -> npt.NDArray[np.floating]:
        """Compare two saved lists: all cosines, and each row's best match to a file.

        Writes `result_similarity.csv` (separated by tabs): for each image of the first list the
        best match in the second, if it reaches `thresh`. Returns the matrix (n, m), a read-only
        memory map if it is large.
        """
        if title1 and title2:
            self._title = [title1, title2]
        if len(self._title) != 2:
            raise UsageError("iteration: two inputs are required: save_data() twice, or titles.")
        features, fields = zip(*map(self._load_saved, self._title), strict=True)
        _print("Iteration starts.")
        start = time.monotonic()
        distances = _matrix((len(features[0]), len(features[1])))
        with Path("result_similarity.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow([*save_header, "similarity"])
            for first in range(0, len(features[0]), _ROWS):
                block = DeepModel.cosine_distance(features[0][first : first + _ROWS], features[1])
                distances[first : first + len(block)] = block
                for row, best in enumerate(np.argmax(block, axis=1) if block.size else ()):
                    if block[row, best] >= thresh:
                        score = f"{block[row, best]:.5f}"
                        writer.writerow([*fields[0][first + row], *fields[1][best], score])
        _print("Iteration finished: results saved to `result_similarity.csv`.")
        count1, count2 = distances.shape
        _print(f"Amount: {count1 * count2} ({count1} * {count2})")
        _print("Time consumed:", timedelta(seconds=time.monotonic() - start))
        _print()
        return distances

    def _load_saved(self, title: str) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.str_]]:
        """Load the features (n, dim) and fields (n, columns) that `save_data` wrote."""
        base = Path(self._tmp_dir)
        features = self.load_data_h5(base / f"_{title}_feature.h5")
        fields = self.load_data_csv(
            base / f"_{title}_fields.csv", delimiter="\t", include_header=False
        )
        _print(f"{title}: feature loaded, shape", features.shape)
        _print(f"{title}: fields loaded, length", len(fields))
        return features, fields

    def _downloaded(self, lines: Lines) -> Iterator[tuple[Float32, Sequence[str]]]:
        """Yield the features (dim,) and fields of images that can be loaded, in order."""
        assert self._model is not None
        fetch = FetchOptions(workers=self.num_processes, user_agent=self.user_agent)
        work = WorkOptions(batch_size=self.batch_size, fetch=fetch)
        refs = (ImageRef(str(row), str(line[-1])) for row, line in enumerate(lines))
        embedder = self._model._embedder
        with local_pipeline(embedder, work, PipelineOptions(normalise=False)) as pipeline:
            for outcome in pipeline.run(refs):
                if isinstance(outcome, Embedded):
                    yield outcome.vector, lines[int(outcome.ref.id)]
                elif isinstance(outcome, Failure):
                    line = lines[int(outcome.ref.id)]
                    _print(f"Error downloading {line[0]}: {outcome.kind}: {outcome.message}")

    def _overridden(self, lines: Lines) -> Iterator[tuple[Float32, Sequence[str]]]:
        """Do the same with the `_sub_process` of a subclass, which reads the images itself."""
        assert self._model is not None
        get: Callable[[dict[str, Any]], tuple[Float32 | None, Any]] = self._sub_process
        with ThreadPoolExecutor(self.num_processes) as pool:
            for first in range(0, len(lines), self.batch_size):
                batch = lines[first : first + self.batch_size]
                found = pool.map(get, [{"path": line[-1], "fields": line} for line in batch])
                good = [(picture, line) for picture, line in found if picture is not None]
                if good:
                    features = self._model._features(picture for picture, _ in good)
                    yield from zip(features, (line for _, line in good), strict=True)

    def _write_features(self, title: str, features: list[Float32]) -> None:
        import h5py

        assert self._model is not None
        dim = self._model._embedder.fingerprint.dim
        data = np.stack(features) if features else np.empty((0, dim), np.float32)
        fname = Path(self._tmp_dir) / f"_{title}_feature.h5"
        with h5py.File(fname, mode="w") as file:
            file.create_dataset("data", data=data)
        _print(f"{title}: feature saved to `{fname}`.")


def _print(*values: object, file: TextIO | None = None) -> None:
    """Print, without control characters if it goes to a terminal."""
    print(*values, file=cleaned(file or sys.stdout))


def _load() -> Embedder:
    weights = os.environ.get("VECSIM_WEIGHTS")
    name = os.environ.get("VECSIM_MODEL", "mobilenet")
    _print(f"Loading {name}.\n")
    try:
        return load_embedder(name, weights=Path(weights) if weights else None)
    except ModelError as error:
        advice = f"{error} Here the variable VECSIM_WEIGHTS names the file, VECSIM_MODEL the model."
        raise ModelError(advice) from error


def _as_pixels(picture: Float32) -> npt.NDArray[np.uint8]:
    """Return the uint8 pixels from which `preprocess_image` made a picture."""
    values = (np.asarray(picture, np.float64) + 1) * 127.5
    pixels = np.rint(values)
    if not (np.abs(values - pixels) < 0.01).all() or pixels.min() < 0 or pixels.max() > 255:
        raise InputError(
            "_sub_process must return what DeepModel.preprocess_image returns: RGB pixels scaled "
            "from -1 to 1."
        )
    return pixels.astype(np.uint8)


def _rows(reader: Any, fname: str | os.PathLike[str]) -> Iterator[list[str]]:
    """Yield rows as long as the first one; others are reported on standard error."""
    width = None
    for row in reader:
        if not row:
            continue
        width = width or len(row)
        if len(row) == width:
            yield row
        else:
            what = f"left out: {len(row)} columns, not {width}."
            _print(f"{fname} line {reader.line_num}: {what}", file=sys.stderr)


def _matrix(shape: tuple[int, int]) -> npt.NDArray[np.floating]:
    """Return an uninitialised float32 matrix: in memory, or mapped from an unnamed file."""
    if 4 * shape[0] * shape[1] <= _LARGEST_IN_MEMORY:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, mode="w+", shape=shape)
