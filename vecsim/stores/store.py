"""The interface of every store, and where a store is found by its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

from vecsim.errors import MissingExtraError, StorageError, UsageError
from vecsim.stores.rows import Batch, Columns, Manifest
from vecsim.urls import without_credentials

TABLE = "images"
"""The name of the table or collection where none is given."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where vectors are handed over: `address`, and the `table` or collection there.

    `columns`: those of a table that another program wrote.
    """

    address: str
    table: str = TABLE
    columns: Columns = field(default_factory=Columns)

    def __post_init__(self) -> None:
        if not self.address or not self.table:
            raise UsageError("the place of a handover and its table need a name.")

    def __str__(self) -> str:
        return without_credentials(self.address)


class Store(Protocol):
    """One place that holds rows of an index: a file with its neighbours, a table, a collection.

    Methods raise `StorageError` where the place cannot be reached or written, and `InputError`
    where what it holds cannot be understood.
    """

    is_database: bool
    """Whether rows are added to those of earlier calls; a file is written anew by each."""

    def manifest(self) -> Manifest | None:
        """Return what was handed over here; None if nothing is here, or another program's rows."""

    def occupied(self) -> bool:
        """Return whether the place holds data, of vecsim or of another program."""

    def begin(self, manifest: Manifest, *, anew: bool) -> int:
        """Prepare for rows; returns how many are here already, which are the first ones.

        Of a file, these are only what an interrupted call left. `anew`: delete them first; a
        complete file stays until the new one is complete.
        """

    def holds(self, key: int) -> bool:
        """Return whether the row of this key is among those that `begin` counted."""

    def write(self, batch: Batch) -> None:
        """Add rows; they are kept when it returns."""

    def written(self) -> Iterator[Batch]:
        """Yield what was written, read back."""

    def finish(self, manifest: Manifest) -> None:
        """Mark the whole as complete; a file appears under its name."""

    def count(self) -> int:
        """Return how many rows are here."""

    def read(self, size: int) -> Iterator[Batch]:
        """Yield the rows, at most `size` at a time, by ascending key where there are keys."""

    def close(self) -> None:
        """Close connections and files."""


# How an address begins or ends, and the module and class of its store.
_BY_PREFIX = {
    "postgresql:": ("postgres", "PostgresStore"),
    "postgres:": ("postgres", "PostgresStore"),
    "qdrant:": ("qdrant", "QdrantStore"),
    "lancedb:": ("lance", "LanceStore"),
}
_BY_SUFFIX = {
    ".parquet": ("parquet", "ParquetStore"),
    ".faiss": ("faiss_file", "FaissStore"),
}
FORMS = (
    "FILE.parquet, FILE.faiss, lancedb:FOLDER, qdrant:FOLDER, qdrant:http://HOST:6333 and "
    "postgresql://HOST/DATABASE"
)


@contextmanager
def open_store(place: Place) -> Iterator[Store]:
    """Yield the store at `place`, which need not exist yet.

    Raises `UsageError` for an address of no known form, `MissingExtraError`, `StorageError`.
    """
    store = _class_of(place)(place)
    try:
        yield store
    finally:
        store.close()


def _class_of(place: Place) -> Callable[[Place], Store]:
    suffix = Path(place.address).suffix.lower()
    found = _BY_SUFFIX.get(suffix)
    for prefix, home in _BY_PREFIX.items():
        if place.address.startswith(prefix):
            found = home
    if found is None:
        raise UsageError(f"{place}: is no place that vectors can be handed over to: use {FORMS}.")
    store: Callable[[Place], Store] = getattr(import_module(f"vecsim.stores.{found[0]}"), found[1])
    return store


@contextmanager
def extra(name: str, place: Place) -> Iterator[None]:
    """Turn an ImportError of the block into `MissingExtraError`, naming the extra to install."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"{place} needs a package that is not installed ({error.name}): "
            f"pip install 'vecsim[{name}]'"
        ) from error


@contextmanager
def store_errors(place: Place, *kinds: type[BaseException]) -> Iterator[None]:
    """Turn errors of a store's library into `StorageError`."""
    try:
        yield
    except kinds as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise StorageError(f"{place}: {text}") from error
