"""Sets aside what is damaged in an index, keeps the rest, and records what to fetch again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from vecsim.catalog import (
    Catalog,
    ThumbnailStore,
    check_wal,
    journal_path,
    salvage,
    shm_path,
    wal_path,
)
from vecsim.contained import ContainedPath
from vecsim.contained.writes import new_folder, new_path, remove_leftovers
from vecsim.errors import (
    IndexDamagedError,
    IndexFormatError,
    IndexLockedError,
    StorageError,
    VecsimIndexError,
)
from vecsim.hints import Action, Hint
from vecsim.index.layout import IndexFolder, read_fingerprint, write_fingerprint
from vecsim.index.locks import WriterLock, exclude_readers
from vecsim.index.repair_segments import (
    Repair,
    make_damaged_folder,
    repair_segments,
    set_aside,
)
from vecsim.index.verify import Problem, foreign_problems
from vecsim.records import Fingerprint

__all__ = ["Repair", "repair"]


def repair(path: Path, *, wait: bool | float = False) -> Repair:
    """Make the index at `path` sound again, without what is damaged; that goes to `damaged/`.

    After an interruption, a second call carries on. Raises `IndexMissingError`, `IndexLockedError`
    (also while the index is open for reading), `IndexFormatError`, `StorageError`, and
    `IndexDamagedError` if nothing can be saved; then nothing has changed.
    """
    folder = IndexFolder(path)
    folder.require_exists()
    folder.catalog.has_file()  # only the catalog tells which images the vectors are of
    with ExitStack() as opened, _writing_errors(path):
        done = Repair(_free_folder(folder))
        _set_foreign_aside(folder, done)
        lock = WriterLock(folder.writer_lock, wait=wait)
        opened.callback(lock.release)
        alone = exclude_readers(folder.reader_lock)
        if alone is None:
            raise IndexLockedError(f"{path}: open for reading.", hint=Hint(Action.CLOSE_READERS))
        opened.enter_context(alone)
        _repair_catalog(folder, done)
        repair_segments(folder, done)
        _repair_thumbnails(folder, done)
        return done


@contextmanager
def _writing_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: cannot be written ({error.strerror}).",
            hint=Hint(Action.MAKE_ROOM),
        ) from error


def _free_folder(folder: IndexFolder) -> ContainedPath:
    """Return a new name in the folder of damaged files; what is in its place is moved into it."""
    if folder.damaged.kind() not in ("", "a folder"):
        with new_folder(folder.damaged.with_name("damaged-1")) as made:
            folder.damaged.rename(made / folder.damaged.name)
    number = 1
    while (folder.damaged / str(number)).exists():
        number += 1
    return folder.damaged / str(number)


def _set_foreign_aside(folder: IndexFolder, done: Repair) -> None:
    """Set aside what an index never has: links, pipes, folders called like files, and journals.

    No process of vecsim uses any of it, so that no lock is needed.
    """
    for problem, path in list(foreign_problems(folder)):
        set_aside(path, done)
        done.problems.append(problem)
    for database in (folder.catalog, folder.thumbnails):
        journal = journal_path(database)
        if journal.exists():
            set_aside(journal, done)
            done.problems.append(Problem(journal.path, "a journal, which vecsim never writes"))


def _repair_catalog(folder: IndexFolder, done: Repair) -> None:
    """Replace a damaged catalog by a new one, made of what can be read of it."""
    problems, fingerprint = _catalog_problems(folder)
    try:
        stored = read_fingerprint(folder)
    except FileNotFoundError:
        stored = fingerprint
    if problems:
        fingerprint = _replace_catalog(folder, stored, done)
    done.problems += problems
    if fingerprint is not None and stored != fingerprint:
        done.problems.append(Problem(folder.fingerprint.path, "not the fingerprint of the catalog"))
    if fingerprint is not None and (stored != fingerprint or not folder.fingerprint.exists()):
        write_fingerprint(folder, fingerprint)


def _catalog_problems(folder: IndexFolder) -> tuple[list[Problem], Fingerprint | None]:
    """Return what is wrong with the catalog, and its fingerprint if that can be read."""
    damage = check_wal(folder.catalog)
    if damage is not None:
        return [Problem(damage.file, damage.what)], None
    try:
        catalog = Catalog.open(folder.catalog, write=True)
    except IndexFormatError:  # it is not damaged, and only a newer vecsim can repair it
        raise
    except VecsimIndexError as error:
        return [Problem(folder.catalog.path, error.message)], None
    with closing(catalog):
        try:
            problems = [Problem(folder.catalog.path, text) for text in catalog.check_integrity()]
            return problems, catalog.fingerprint
        except IndexDamagedError as error:
            return [Problem(folder.catalog.path, error.message)], None


def _replace_catalog(folder: IndexFolder, stored: Fingerprint | None, done: Repair) -> Fingerprint:
    """Salvage the catalog and set the damaged one aside; returns the fingerprint."""
    remove_leftovers(folder.catalog)
    try:
        with new_path(folder.catalog) as new:
            salvage(folder.catalog, new)
            fingerprint = _complete_catalog(new, folder, stored)
            if wal_path(new).exists():
                raise StorageError(f"{new}: cannot be completed.", hint=Hint(Action.MAKE_ROOM))
            # SQLite deletes this file when it closes the catalog, without an error if it cannot.
            shm_path(new).unlink(missing_ok=True)
            make_damaged_folder(done)
            folder.catalog.link_as(done.folder / folder.catalog.name)
            for beside in (wal_path(folder.catalog), shm_path(folder.catalog)):
                if beside.exists():
                    set_aside(beside, done)
    finally:
        remove_leftovers(folder.catalog)
    return fingerprint


def _complete_catalog(
    new: ContainedPath, folder: IndexFolder, stored: Fingerprint | None
) -> Fingerprint:
    """Store the fingerprint and the field names, if they could not be salvaged."""
    with closing(Catalog.open(new, write=True)) as catalog:
        if catalog.setting("fingerprint") is None:
            if stored is None or not (catalog.images.all_keys() or catalog.failures.count()):
                raise IndexDamagedError(
                    f"{folder.catalog}: nothing can be read from it, and only it knew which image "
                    f"each vector is of.",
                    hint=Hint(Action.RESTORE_OR_REBUILD),
                )
            with catalog.transaction():
                catalog.set_fingerprint(stored)
        with catalog.transaction():
            if catalog.setting("field_names") is None:
                names = (name for row in catalog.images.all() for name in row.ref.fields)
                catalog.add_field_names(dict.fromkeys(names))
        return catalog.fingerprint


def _repair_thumbnails(folder: IndexFolder, done: Repair) -> None:
    """Delete damaged thumbnails; set the whole file aside if its structure is damaged."""
    damage = check_wal(folder.thumbnails)
    if damage is not None:
        done.problems.append(Problem(damage.file, damage.what))
    with closing(ThumbnailStore(folder.thumbnails)) as store:
        file_damage, damaged_keys = store.check_integrity(write=True)
        if damaged_keys:
            what = f"{len(damaged_keys):,} of them were damaged, and are deleted"
            done.problems.append(Problem(folder.thumbnails.path, what))
            store.remove(damaged_keys)
    if file_damage:
        done.problems.append(Problem(folder.thumbnails.path, "damaged"))
        for file in (folder.thumbnails, wal_path(folder.thumbnails)):
            if file.exists():
                set_aside(file, done)
        shm_path(folder.thumbnails).unlink(missing_ok=True)
    lost = file_damage or damaged_keys or damage
    done.thumbnails_lost = bool(lost) or folder.thumbnails.path in [p.file for p in done.problems]
