"""The two sides of a match: indexes, lists and folders by their paths, and images that are held."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from vecsim.api.images import Images, open_images
from vecsim.api.pictures import is_url
from vecsim.api.progress import ProgressTo, watching
from vecsim.engines.engine import WorkOptions
from vecsim.errors import IndexMissingError, StoppedError
from vecsim.files import temporary_errors
from vecsim.index import Snapshot, is_index
from vecsim.models import resolve_model
from vecsim.operations import building
from vecsim.operations.index_settings import check_model, load_index_model
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.operations.source_indexes import index_paths, model_of_index
from vecsim.records import AddReport, Failure, ImageRef
from vecsim.sources import Reading, SourceOptions, count_refs, is_frame, refs_of

if TYPE_CHECKING:
    from vecsim.api.index import Index

log = logging.getLogger(__name__)

Side: TypeAlias = "Index | Images"
"""An index or its path; the path of a list, folder or picture; images or a table."""


@dataclass(frozen=True, slots=True)
class SideOptions:
    """How images that are given to a match are embedded.

    `model`: of images that are compared with no index. `lists`: how lists and tables are read.
    `image`: the column of a table that holds the pictures themselves.
    `orientations`: in which the images of the first side are stored. `private`: whether snapshots
    of their own are opened for indexes, because the search changes them. `wait`: for another writer
    of the index of a list or folder; a number: so many seconds at most.
    """

    model: ModelChoice
    work: WorkOptions
    lists: SourceOptions
    image: str | None = None
    orientations: str | None = None
    progress: ProgressTo = None
    cancel: Event | None = None
    private: bool = False
    wait: bool | float = True


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a match, opened; the same snapshot twice for a set with itself.

    `failures`: images that were given and could not be loaded. `what`: describes the sides.
    """

    queries: Snapshot
    references: Snapshot
    failures: list[Failure]
    what: str


def open_sides(a: Side, b: Side | None, how: SideOptions) -> Sides:
    """Open both sides; images are embedded first, with the model of the index if there is one.

    Lists and folders have indexes that are kept and used again, as on the command line. Images that
    are held get an index in a temporary folder, which goes with its snapshot.
    Raises what `Index.add` does, `FingerprintError`, and `StoppedError` if it was cancelled.
    """
    given = [a] if b is None or b is a else [a, b]
    opener = _Opener(given, how)
    opened = [opener.open(position) for position in range(len(given))]
    queries, references = opened[0], opened[-1]
    if b is not None and references is queries:
        # The same index named twice is two sets: every pair both ways, each image with itself.
        references = Snapshot(queries.folder.path)
        opener.hold(references, 0)
    if opener.failures:
        log.warning(
            "%d images could not be loaded: the attribute failures of the result lists them.",
            len(opener.failures),
        )
    what = opener.names[0] + (" with itself" if b is None else f" with {opener.names[-1]}")
    return Sides(queries, references, opener.failures, what)


class _Opener:
    """Opens the sides of one match."""

    def __init__(self, given: list[Side], how: SideOptions) -> None:
        from vecsim.api.index import Index

        self.failures: list[Failure] = []
        self.names = [_name(each) for each in given]
        self._folders: dict[int, _Folder] = {}
        self._given, self._how = given, how
        self._paths: dict[int, Path] = {}
        for position, each in enumerate(given):
            if isinstance(each, Index):
                self._paths[position] = each.path
            elif _is_path(each) and is_index(os.fspath(each)):
                self._paths[position] = Path(each)
            elif _is_path(each) and not Path(each).exists():
                raise IndexMissingError(f"{each}: there is no index, list or folder.")
        for path in self._paths.values():
            check_model(path, how.model)
        self._model = self._choose_model()
        if self._model.embedder is None:
            self._follow_places()

    def _choose_model(self) -> ModelChoice:
        """Return the model of the index that is given, if there is one, or the chosen one."""
        from vecsim.api.index import Index

        model, missing = self._how.model, len(self._paths) < len(self._given)
        if not missing:
            return model
        for position, path in self._paths.items():
            each = self._given[position]
            if isinstance(each, Index) and each._model.embedder is not None:
                model = each._model
            return model_of_index(path, model)
        if model.embedder is None:
            # Decided once, so that both sides get the same model.
            name, why = resolve_model(model.name, weights=model.weights)
            if why:
                log.warning("%s", why)
            model = replace(model, name=name)
        return model

    def _follow_places(self) -> None:
        """Index lists and folders, or bring their indexes up to date."""
        places = {
            position: os.fspath(each)
            for position, each in enumerate(self._given)
            if position not in self._paths and _is_path(each)
        }
        known = [str(path) for path in self._paths.values()]
        model = self._how.model if known else self._model
        for position, place in places.items():
            with watching(self._how.progress, _counter(place, self._how.lists)) as watch:
                options = replace(self._options(position, watch), model=model)
                (path, report), *_ = index_paths([place, *known], self._how.lists, options)
            self._check(report)
            self._paths[position] = path
            with Snapshot(path) as snapshot:
                self.failures += snapshot.failures()

    def open(self, position: int) -> Snapshot:
        """Return the snapshot of one side; what is no index yet is embedded."""
        from vecsim.api.index import Index

        each = self._given[position]
        if isinstance(each, Index) and not self._how.private:
            return each.snapshot
        if position in self._paths:
            return Snapshot(self._paths[position])
        folder = self._folders[position] = _Folder()
        snapshot = self._embedded(each, position, folder.path / "index")
        self.hold(snapshot, position)
        return snapshot

    def hold(self, snapshot: Snapshot, position: int) -> None:
        """Keep the temporary folder of a side, if it has one, as long as this snapshot of it."""
        if position in self._folders:
            weakref.finalize(snapshot, _let_go, self._folders[position])

    def _embedded(self, images: Side, position: int, path: Path) -> Snapshot:
        """Make an index of images, which holds them in their order, and open it."""
        self._load_model()
        refs, total = _opened(images, self._how)
        with watching(self._how.progress, total) as watch:
            options = replace(self._options(position, watch), thumbnails=True)
            building.create(path, options)
            self._check(building.add(path, refs, options))
        snapshot = Snapshot(path)
        self.failures += snapshot.failures()
        return snapshot

    def _load_model(self) -> None:
        """Load the model once, for both sides."""
        if self._model.embedder is not None:
            return
        work = self._how.work
        if self._paths:
            path = next(iter(self._paths.values()))
            with Snapshot(path) as snapshot:
                embedder = load_index_model(path, snapshot, self._model, work)
        else:
            embedder = building.load_chosen_model(self._model, work)
        self._model = replace(self._model, embedder=embedder)

    def _options(self, position: int, watch: Callable[[AddReport], None]) -> RunOptions:
        return RunOptions(
            self._model,
            self._how.work,
            orientations=None if position else self._how.orientations,
            progress=watch,
            stop=self._how.cancel,
            wait=self._how.wait,
        )

    def _check(self, report: AddReport | None) -> None:
        if report is not None and report.interrupted:
            raise StoppedError("The match was cancelled.")


def _opened(
    images: Side, how: SideOptions
) -> tuple[Iterator[ImageRef], Callable[[], int | None] | int | None]:
    """Return the references of images, and how many there are.

    Of those in memory without an id, the id is the position among `images`, from 0.
    """
    if _is_path(images):  # of a model that is given as an object: the index cannot be kept
        place = os.fspath(images)
        return refs_of([place], how.lists), _counter(place, how.lists)
    in_table = is_frame(images)
    lists, image = (how.lists, how.image) if in_table else (SourceOptions(), None)
    refs, total = open_images(images, lists, Reading(), image=image)
    return map(_with_position, enumerate(refs)), total


def _with_position(numbered: tuple[int, ImageRef]) -> ImageRef:
    position, ref = numbered
    in_memory = ref.fetched is not None and ref.id == ref.fetched.facts.sha256
    return replace(ref, id=str(position)) if in_memory else ref


class _Folder:
    """A temporary folder, deleted when nothing refers to it any more, or at the end of Python."""

    def __init__(self) -> None:
        with temporary_errors():
            self.path = Path(tempfile.mkdtemp(prefix="vecsim-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _let_go(folder: _Folder) -> None:
    """Take a folder, which the finalizer of a snapshot has referred to until now."""


def _is_path(side: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(side, str | os.PathLike) and not is_url(side)


def _counter(place: str, lists: SourceOptions) -> Callable[[], int | None]:
    return lambda: count_refs([place], lists)


def _name(side: Side) -> str:
    """Return what a side is, in a few words."""
    from vecsim.api.index import Index

    if isinstance(side, Index):
        return str(side.path)
    if isinstance(side, str | os.PathLike):
        return os.fspath(side)
    if is_frame(side):
        return "a table"
    several = isinstance(side, list | tuple | Mapping)
    return f"{len(side)} images" if several and isinstance(side, Sized) else "images"
