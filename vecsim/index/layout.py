"""Where the files of an index are, and how a new one comes to be all at once."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vecsim.catalog import Catalog
from vecsim.errors import IndexExistsError, IndexMissingError, StorageError
from vecsim.records import Fingerprint
from vecsim.segments import sync_folder


@dataclass(frozen=True, slots=True)
class IndexFolder:
    """The paths of one index."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The SQLite file that decides."""
        return self.path / "catalog.db"

    @property
    def thumbnails(self) -> Path:
        """The SQLite file of small pictures; it may be absent."""
        return self.path / "thumbnails.db"

    @property
    def segments(self) -> Path:
        """The folder of the segment files."""
        return self.path / "segments"

    @property
    def sketches(self) -> Path:
        """The folder of what makes searching fast; it may be deleted."""
        return self.path / "sketches"

    @property
    def writer_lock(self) -> Path:
        """Held by the one process that writes."""
        return self.path / "writer.lock"

    @property
    def reader_lock(self) -> Path:
        """Shared by all that read; held alone to forget removed rows for good."""
        return self.path / "reader.lock"

    def exists(self) -> bool:
        """Whether there is an index here."""
        return self.catalog.is_file()

    def require(self) -> None:
        """Raise `IndexMissingError`, saying what is here instead, unless an index is."""
        if self.exists():
            return
        if not self.path.exists():
            found = "there is nothing at that path"
        elif not self.path.is_dir():
            found = "that is a file"
        else:
            found = "that folder holds no catalog.db"
        raise IndexMissingError(
            f"{self.path}: not a vecsim index: {found}. "
            f"Make one with: vecsim build-index {self.path} SOURCE"
        )


def create_index(
    path: Path, fingerprint: Fingerprint, settings: Mapping[str, str] | None = None
) -> IndexFolder:
    """Make an empty index: prepared under another name, then renamed, so it is whole or absent.

    Raises `IndexExistsError` when something is at `path` already, `StorageError`.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        what = "an index" if IndexFolder(path).exists() else "something else"
        raise IndexExistsError(f"{path}: there is {what} already. Choose another path.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
        try:
            folder = IndexFolder(temporary)
            temporary.chmod(0o755)
            folder.segments.mkdir()
            folder.reader_lock.touch()
            folder.writer_lock.touch()
            Catalog.create(folder.catalog, fingerprint, settings).close()
            sync_folder(temporary)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # made by another process meanwhile
            raise IndexExistsError(f"{path}: there is an index already.") from error
        raise StorageError(
            f"{path}: the index cannot be made here ({error.strerror}). "
            f"Choose a folder that you may write to."
        ) from error
    return IndexFolder(path)
