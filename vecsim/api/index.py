"""The class `Index` of the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt

from vecsim.api.arguments import Model, model_choice
from vecsim.api.index_calibration import IndexCalibration
from vecsim.api.index_changes import IndexChanges
from vecsim.api.index_decisions import IndexDecisions
from vecsim.api.index_handover import IndexHandover
from vecsim.api.index_searches import IndexSearches
from vecsim.api.progress import ProgressTo, counting, watching
from vecsim.engines.engine import WorkOptions
from vecsim.errors import IndexMissingError, VecsimError
from vecsim.index import Snapshot
from vecsim.operations import building, external_vectors, maintenance, rebuilding
from vecsim.operations.external_vectors import VectorTable
from vecsim.operations.index_settings import check_model, threshold_of
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import Failure, Fingerprint, ImageRef
from vecsim.render.notebook import Card, cards_html

_SHOWN = 12
"""Images that a notebook shows of an index."""


class Index(IndexChanges, IndexSearches, IndexCalibration, IndexDecisions, IndexHandover):
    """An index on disk. Several may be open on one folder; one at a time may change it.

    Each call answers from what the index holds then. Use it as a context manager, or `close` it.

    >>> mine = vecsim.Index.create("mine", model="phash")
    >>> mine.add("Pictures").added
    6
    >>> mine
    <Index 'mine': 6 images, phash (64 dimensions, ...)>
    """

    def __init__(self, path: str | Path, *, work: WorkOptions | None = None) -> None:
        self.path = Path(path)
        self.work = work or WorkOptions()
        self._model = ModelChoice()
        self._snapshot: Snapshot | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        model: Model = "auto",
        *,
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
        thumbnails: bool = True,
        orientations: str | None = None,
    ) -> Index:
        """Make a new, empty index.

        `model`: what makes its vectors: a name that `vecsim models` lists, an `Embedder`, or a
        function on a batch of pictures; an index made with one of the latter two needs it again in
        `open`. `weights`: the weights file of a named model. `thumbnails`: whether the index keeps
        small pictures of its images. `orientations`: in which each image is stored, for matches:
        "mirror", "turns", "all" or "parts". Raises `IndexExistsError`, `ModelError`,
        `StorageError`.

        >>> vecsim.Index.create("empty", model="phash", thumbnails=False)
        <Index 'empty': 0 images, phash (64 dimensions, ...)>
        """
        index, choice = cls(path, work=work), model_choice(model, weights)
        run = RunOptions(choice, index.work, thumbnails=thumbnails, orientations=orientations)
        index._model = replace(choice, embedder=building.create(index.path, run))
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: Model = "auto",
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
    ) -> Index:
        """Open an index that exists.

        `model`: the model that the index was made with; only needed for one that vecsim cannot load
        by its name. `weights`: its weights file, if that is no longer where it was. Raises
        `IndexMissingError`, `IndexDamagedError`, `FingerprintError` (another model).

        >>> with vecsim.Index.open(shop.path) as opened:
        ...     print(len(opened))
        6
        """
        index = cls(path, work=work)
        index._model = model_choice(model, weights)
        check_model(index.path, index._model)
        _ = index.snapshot
        return index

    @classmethod
    def build_from(
        cls,
        path: str | Path,
        old: str | Path,
        model: Model = "auto",
        *,
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
        wait: bool | float = False,
        progress: ProgressTo = None,
        cancel: Event | None = None,
    ) -> Index:
        """Make an index of the images that the index `old` references, with another model.

        The pictures are loaded again; ids, URLs, fields, sources and decisions are taken along, but
        no images without a URL. Calling it again resumes the work. `progress`, `cancel`: as in
        `add`. Raises what `create` and `add` do, and `InputError` if no image of `old` has a URL.

        >>> again = vecsim.Index.build_from("again", shop.path, model="bundled")
        >>> len(again), again.fingerprint.dim
        (6, 256)
        """
        index = cls(path, work=work)
        index._model = model_choice(model, weights)
        with watching(progress, lambda: rebuilding.count_refs(Path(old))) as watch:
            options = index._options(wait=wait, progress=watch, stop=cancel)
            rebuilding.build_from_index(index.path, Path(old), options)
        return index

    @classmethod
    def from_vectors(
        cls,
        path: str | Path,
        vectors: npt.ArrayLike,
        ids: Sequence[object],
        model: str = "external",
        *,
        urls: Sequence[str] | None = None,
        fields: Sequence[Mapping[str, str]] | None = None,
    ) -> Index:
        """Make an index of vectors made elsewhere.

        `vectors`: float (n, dim), of any norm but 0. `ids`: n unique ids. `model`: a name for what
        made them; indexes of the same name and dimension can be matched. `urls`, `fields`: for each
        vector its URL, and names and texts to carry along.

        Raises `IndexExistsError`, `VectorError`, `DuplicateIdError`, `InputError`.

        >>> own = vecsim.Index.from_vectors("own", [[1, 0], [0.8, 0.6], [0, 1]], ["a", "b", "c"])
        >>> for match in own.query_ids("a", threshold=0.5):
        ...     print(match.reference_id, match.score)
        b 0.8
        """
        table = VectorTable(np.asarray(vectors), ids, urls, fields)
        external_vectors.create_from_vectors(Path(path), table, model)
        return cls.open(path)

    @property
    def snapshot(self) -> Snapshot:
        """The newest generation of the index."""
        if self._snapshot is None or not self._snapshot.is_newest():
            # Results that are still being read keep the older one, which then closes by itself.
            self._snapshot = Snapshot(self.path)
        return self._snapshot

    def close(self) -> None:
        """Close the files. Iterating over an earlier result raises an error from now on.

        >>> shop.close()
        """
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            return f"<Index {str(self.path)!r}: {len(self):,} images, {self.fingerprint}>"
        except IndexMissingError:
            return f"<Index {str(self.path)!r}: not made yet>"
        except VecsimError:
            return f"<Index {str(self.path)!r}: cannot be read>"

    def _repr_html_(self) -> str:
        """Return what the index holds and its first images, for a notebook."""
        rows = list(islice(self.snapshot.all_rows(), _SHOWN))
        pictures = self.snapshot.readable_thumbnails([row.key for row in rows])
        cards = [Card(row.ref.id, row.ref.url, pictures.get(row.key, b"")) for row in rows]
        more = f"The first {_SHOWN} images." if len(self) > _SHOWN else ""
        return cards_html(repr(self).strip("<>"), [("", cards)], more)

    # -- what it holds ---------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many images the index holds."""
        return self.snapshot.count

    def __iter__(self) -> Iterator[ImageRef]:
        """Yield the references of all images, in the order in which they were added."""
        return (row.ref for row in self.snapshot.all_rows())

    def __contains__(self, image_id: object) -> bool:
        """Return whether an image has this id."""
        return bool(self.snapshot.rows_of_ids([str(image_id)]))

    def thumbnail(self, image_id: object) -> bytes | None:
        """Return a JPEG file of at most 160 x 160 pixels, if kept. Raises `UnknownIdError`.

        >>> file = shop.thumbnail("Pictures/1.jpg")
        >>> file.startswith(bytes.fromhex("ffd8"))
        True
        """
        key = self.snapshot.row_of(str(image_id)).key
        return self.snapshot.thumbnails([key]).get(key)

    @property
    def fingerprint(self) -> Fingerprint:
        """What identifies the model that made the vectors."""
        return self.snapshot.fingerprint

    @property
    def threshold(self) -> float:
        """The threshold used where none is given. Raises `UsageError` if there is none."""
        return threshold_of(self.snapshot)

    @property
    def failures(self) -> list[Failure]:
        """Images that could not be loaded, each with its reason."""
        return list(self.snapshot.failures())

    def info(self) -> maintenance.IndexInfo:
        """Describe the index: model, counts, size on disk, failures by kind, sources.

        >>> info = shop.info()
        >>> info.images, info.failures, info.threshold
        (6, {}, 0.6875)
        """
        return maintenance.info(self.path)

    # -- maintenance ---------------------------------------------------------------------------

    def compact(self, *, wait: bool | float = False) -> None:
        """Merge small segments and free the space of removed images.

        >>> shop.compact()
        """
        maintenance.compact(self.path, wait=wait)

    def verify(
        self, *, samples: int = 8, progress: ProgressTo = None, cancel: Event | None = None
    ) -> list[maintenance.Problem]:
        """Check all files, and the search on `samples` random blocks; returns the problems.

        `progress`: True for a bar, or a function of a `Progress`. `cancel`: once it is set,
        `StoppedError` is raised.

        >>> shop.verify()
        []
        """
        with counting(progress, cancel, "The check") as report:
            return list(maintenance.verify(self.path, samples=samples, progress=report))

    def repair(self, *, wait: bool | float = False) -> maintenance.Repair:
        """Set damaged files aside and keep the rest; close all other readers of the index first.

        >>> shop.repair().problems
        []
        """
        self.close()
        return maintenance.repair(self.path, wait=wait)
