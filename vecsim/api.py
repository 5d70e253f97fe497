"""The library: `Index` and `match`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from vecsim.engines.options import EngineOptions, WorkOptions
from vecsim.errors import ImageError, UsageError
from vecsim.index import Snapshot
from vecsim.operations import (
    building,
    clustering,
    external_vectors,
    maintenance,
    matching,
    querying,
)
from vecsim.operations import thumbnails as making_thumbnails
from vecsim.operations.external_vectors import VectorTable
from vecsim.operations.index_settings import load_index_model, threshold_of
from vecsim.operations.matching import Matches
from vecsim.operations.requests import ModelChoice, RunOptions, SearchRequest
from vecsim.operations.thumbnails import FetchedThumbnails
from vecsim.records import AddReport, Cluster, Failure, Fingerprint, ImageRef
from vecsim.sources import SourceOptions, read_source

Reference = str | Path | ImageRef


class Index:
    """An index on disk. Several may be open on one folder; one at a time may change it.

    It answers from the newest generation at the time of each call. Use it as a context manager,
    or `close` it, or leave that to the garbage collector.
    """

    def __init__(self, path: str | Path, *, work: WorkOptions | None = None) -> None:
        self.path = Path(path)
        self.work = work or WorkOptions()
        self._model = ModelChoice()
        self._snapshot: Snapshot | None = None

    # -- opening ---------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path,
        model: str = "auto",
        *,
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
        thumbnails: bool = True,
    ) -> Index:
        """Make a new, empty index, which keeps `thumbnails` of its images or does not.

        Raises `IndexExistsError`, `ModelError`, `StorageError`.
        """
        index = cls(path, work=work)
        choice = ModelChoice(model, Path(weights) if weights is not None else None)
        options = RunOptions(choice, index.work, thumbnails=thumbnails)
        index._model = replace(choice, embedder=building.create(index.path, options))
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        weights: str | Path | None = None,
        work: WorkOptions | None = None,
    ) -> Index:
        """Open an index that exists. Raises `IndexMissingError`, `IndexDamagedError`."""
        index = cls(path, work=work)
        index._model = ModelChoice(weights=Path(weights) if weights is not None else None)
        _ = index.snapshot
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
        """Make an index of own embeddings: float (n, dim), any norm but 0; ids unique."""
        table = VectorTable(np.asarray(vectors), ids, urls, fields)
        external_vectors.create_from_vectors(Path(path), table, model)
        return cls.open(path)

    @property
    def snapshot(self) -> Snapshot:
        """The newest generation."""
        if self._snapshot is None or not self._snapshot.is_newest():
            # Results that are still being read keep the older one, which then closes by itself.
            self._snapshot = Snapshot(self.path)
        return self._snapshot

    def close(self) -> None:
        """Let go of the files. Results that were not read through end here."""
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- what it holds ---------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many images it holds."""
        return self.snapshot.count

    def __iter__(self) -> Iterator[ImageRef]:
        """Yield the references of all images, in the order in which they were added."""
        return (row.ref for row in self.snapshot.all_rows())

    def __contains__(self, image_id: object) -> bool:
        """Whether an image has this id."""
        return bool(self.snapshot.rows_of_ids([str(image_id)]))

    def thumbnail(self, image_id: object) -> bytes | None:
        """A small picture of one of its images, as a WebP file of at most 160 pixels a side.

        None where it keeps none. Raises `UnknownIdError`.
        """
        key = self.snapshot.row_of(str(image_id)).key
        return self.snapshot.thumbnails([key]).get(key)

    @property
    def fingerprint(self) -> Fingerprint:
        """What made its vectors."""
        return self.snapshot.fingerprint

    @property
    def threshold(self) -> float:
        """The threshold used where none is given."""
        return threshold_of(self.snapshot)

    @property
    def failures(self) -> list[Failure]:
        """Images that could not be had, each with its reason."""
        return list(self.snapshot.failures())

    # -- changing it -----------------------------------------------------------------------------

    def add(
        self,
        source: str | Path | Iterable[Reference],
        *,
        options: SourceOptions | None = None,
        on_duplicate: str = "error",
        wait: bool = False,
    ) -> AddReport:
        """Add the images of a CSV, TSV, JSON lines file or folder, or given references.

        A URL or path by itself is its own id. Those known already are skipped without a download;
        those that cannot be had become `failures`. Raises `InputError`, `DuplicateIdError`,
        `IndexLockedError`.
        """
        if isinstance(source, str | Path):
            refs = read_source(source, options or SourceOptions())
        else:
            refs = map(_as_ref, source)
        return building.add(self.path, refs, self._options(on_duplicate=on_duplicate, wait=wait))

    def _options(self, **values: Any) -> RunOptions:
        return RunOptions(self._model, self.work, **values)

    def add_vectors(
        self,
        vectors: npt.ArrayLike,
        ids: Sequence[object],
        *,
        urls: Sequence[str] | None = None,
        fields: Sequence[Mapping[str, str]] | None = None,
        wait: bool = False,
    ) -> int:
        """Add own embeddings, float (n, dim), to an index made by `from_vectors`."""
        table = VectorTable(np.asarray(vectors), ids, urls, fields)
        return external_vectors.add_vectors(self.path, table, wait=wait)

    def retry(self, *, wait: bool = False) -> AddReport:
        """Try the failures again."""
        return building.retry(self.path, self._options(wait=wait))

    def refresh(self, *, older_than: str | None = None, wait: bool = False) -> AddReport:
        """Ask for all images again and embed those whose bytes have changed.

        A changed image counts as added now; one that cannot be had any more stays as it was and is
        among the `failures`. `older_than` (UTC, ISO 8601): only images not checked since.
        """
        return building.refresh(self.path, self._options(wait=wait), older_than=older_than)

    def remove(
        self, ids: str | int | Iterable[object], *, missing_ok: bool = False, wait: bool = False
    ) -> int:
        """Remove images by id; returns how many. Raises `UnknownIdError` unless `missing_ok`."""
        wanted = _as_ids(ids)
        return maintenance.remove(self.path, wanted, missing_ok=missing_ok, wait=wait)

    def compact(self, *, wait: bool = False) -> None:
        """Merge small segments and give the space of removed images back."""
        maintenance.compact(self.path, wait=wait)

    def verify(self, *, samples: int = 8) -> list[maintenance.Problem]:
        """Check all files and the search itself; an empty list when all is well."""
        return list(maintenance.verify(self.path, samples=samples))

    def repair(self, *, wait: bool = False) -> maintenance.Repair:
        """Set aside what is damaged and keep the rest; close all that reads the index first."""
        self.close()
        return maintenance.repair(self.path, wait=wait)

    # -- asking it -------------------------------------------------------------------------------

    def query(
        self,
        images: Reference | Iterable[Reference] | npt.NDArray[np.floating],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        skip_placeholders: int | None = None,
        failed: Callable[[Failure], None] | None = None,
    ) -> Matches:
        """Images like given ones, with score >= `threshold`, or the `top_k` best.

        `skip_placeholders`: leave out, on both sides, pictures that so many images of the index
        share byte for byte (given vectors have no bytes).
        `images`: one URL or path or `ImageRef`, several, or vectors, float (dim,) or (n, dim).
        One that cannot be had is handed to `failed`, or else raises `ImageError` when the result
        is read.
        """
        request = SearchRequest(threshold, top_k, skip_placeholders=skip_placeholders)
        snapshot = self._snapshot_for(request)
        if isinstance(images, np.ndarray):
            return querying.query_vectors(snapshot, images, request)
        several = [images] if isinstance(images, str | Path | ImageRef) else list(images)
        refs = [_as_ref(image) for image in several]
        if self._model.embedder is None:
            embedder = load_index_model(self.path, snapshot, self._model, self.work)
            self._model = replace(self._model, embedder=embedder)
        asked = querying.QueryImages(
            lambda: refs,
            count=len(refs),
            model=self._model,
            work=self.work,
            on_failure=failed or _raise,
        )
        return querying.query_images(snapshot, asked, request)

    def query_ids(
        self,
        ids: str | int | Iterable[object],
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        skip_placeholders: int | None = None,
    ) -> Matches:
        """Images like some of its own, these themselves left out. Raises `UnknownIdError`."""
        request = SearchRequest(threshold, top_k, skip_placeholders=skip_placeholders)
        return querying.query_ids(self._snapshot_for(request), _as_ids(ids), request)

    def _snapshot_for(self, request: SearchRequest) -> Snapshot:
        """A snapshot to search; one of its own if the search hides images in it."""
        return self.snapshot if request.skip_placeholders is None else Snapshot(self.path)

    def clusters(
        self, *, threshold: float | None = None, keep: str = "largest"
    ) -> Iterator[Cluster]:
        """Groups of alike images, the one to `keep` first: "largest", "oldest" or "first" (id).

        A chain of matches with score >= `threshold` connects the images of a group.
        """
        return clustering.clusters(self.snapshot, SearchRequest(threshold), keep=keep)

    def fetch_thumbnails(self, *, wait: bool = False) -> FetchedThumbnails:
        """Get the thumbnails that are missing, from the images' addresses."""
        return making_thumbnails.fetch_thumbnails(self.path, self._options(wait=wait))


def match(
    a: Index | str | Path,
    b: Index | str | Path | None = None,
    *,
    threshold: float | None = None,
    best_only: bool = False,
    since: str | None = None,
    skip_placeholders: int | None = None,
    engine: EngineOptions | None = None,
) -> Matches:
    """Every pair of an image of `a` and one of `b` with score >= `threshold`, exactly.

    `a`, `b`: indexes or their paths. Without `b`, `a` is matched with itself: each pair once.
    `threshold`: by default b's own, or its model's. `best_only`: each query's best match alone.
    `since` (UTC, ISO 8601): only pairs with an image added then or later. `skip_placeholders`:
    leave out pictures that so many images of `a`, or of `b`, share byte for byte. `engine`: where
    the work is done, by default on this machine.
    """
    request = SearchRequest(
        threshold, best_only=best_only, since=since, skip_placeholders=skip_placeholders
    )
    # Hiding images changes a snapshot: then it must be nobody else's.
    queries = _snapshot_of(a, own=skip_placeholders is not None)
    references = queries if b is None else _snapshot_of(b, own=skip_placeholders is not None)
    if b is not None and references is queries:
        # The same index named twice is two sets: every pair both ways, each image with itself.
        references = Snapshot(queries.folder.path)
    return matching.match(queries, references, request, engine=engine)


def _snapshot_of(index: Index | str | Path, own: bool) -> Snapshot:
    if isinstance(index, Index):
        return Snapshot(index.path) if own else index.snapshot
    return Snapshot(Path(index))


def _as_ids(ids: str | int | Iterable[object]) -> list[str]:
    """One id or several, as the text that they are stored as."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        return [str(ids)]
    return [str(image_id) for image_id in ids]


def _as_ref(image: Reference) -> ImageRef:
    if isinstance(image, ImageRef):
        return image
    if isinstance(image, str | Path):
        return ImageRef(str(image), str(image))
    raise UsageError(f"{image!r} is neither a URL, a path, an ImageRef nor an array of vectors.")


def _raise(failure: Failure) -> None:
    raise ImageError(
        failure.kind,
        f"{failure.ref.url}: {failure.message}",
        http_status=failure.http_status,
        final_url=failure.final_url,
        attempts=failure.attempts,
    )
