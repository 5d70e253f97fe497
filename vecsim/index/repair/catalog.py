"""Puts a new catalog, made of what can be read, in the place of a damaged one."""

from __future__ import annotations

import os
from pathlib import Path

from vecsim.catalog import Catalog, log_damage, log_of, memory_of
from vecsim.catalog.salvage import salvage
from vecsim.errors import IndexDamagedError, StorageError, VecsimIndexError
from vecsim.files import new_path, remove_leftovers
from vecsim.index.layout import IndexFolder, read_fingerprint, write_fingerprint
from vecsim.index.repair.record import Repair, set_aside
from vecsim.index.verify import Problem
from vecsim.records import Fingerprint


def repair_catalog(folder: IndexFolder, done: Repair) -> None:
    """Put a new catalog, made of what can be read, in the place of a damaged one."""
    damage = log_damage(folder.catalog)
    problems = [Problem(damage.file, damage.what)] if damage is not None else []
    fingerprint = None
    if not problems:
        problems, fingerprint = _doubt(folder)
    try:
        stored = read_fingerprint(folder)
    except FileNotFoundError:
        stored = fingerprint
    if problems:
        remove_leftovers(folder.catalog)
        with new_path(folder.catalog) as new:
            salvage(folder.catalog, new)
            fingerprint = _complete(new, folder, stored)
            if log_of(new).exists():
                raise StorageError(f"{new}: could not be completed. Repair the index again.")
            # SQLite deletes it in closing the file, and says nothing where it cannot.
            memory_of(new).unlink(missing_ok=True)
            done.folder.mkdir(parents=True, exist_ok=True)
            os.link(folder.catalog, done.folder / folder.catalog.name)
            for beside in (log_of(folder.catalog), memory_of(folder.catalog)):
                if beside.exists():
                    set_aside(beside, done)
    done.problems += problems
    if fingerprint is not None and stored != fingerprint:
        done.problems.append(Problem(folder.fingerprint, "not the fingerprint of the catalog"))
    if fingerprint is not None and (stored != fingerprint or not folder.fingerprint.exists()):
        write_fingerprint(folder, fingerprint)


def _doubt(folder: IndexFolder) -> tuple[list[Problem], Fingerprint | None]:
    """What is wrong with the catalog, and its fingerprint if nothing is."""
    try:
        catalog = Catalog.open(folder.catalog, write=True)
    except VecsimIndexError as error:
        return [Problem(folder.catalog, str(error))], None
    try:
        problems = [Problem(folder.catalog, text) for text in catalog.problems()]
        return problems, catalog.fingerprint
    except IndexDamagedError as error:
        return [Problem(folder.catalog, str(error))], None
    finally:
        catalog.close()


def _complete(new: Path, folder: IndexFolder, stored: Fingerprint | None) -> Fingerprint:
    """Give a salvaged catalog what it cannot be without."""
    catalog = Catalog.open(new, write=True)
    try:
        if catalog.setting("fingerprint") is None:
            if stored is None or not (catalog.images.all_keys() or catalog.failures.count()):
                raise IndexDamagedError(
                    f"{folder.catalog}: nothing can be read from it, and only it knew which image "
                    f"each vector is of. Restore it from a backup and repair again, or move the "
                    f"folder away and build the index again."
                )
            with catalog.transaction():
                catalog.set_fingerprint(stored)
        with catalog.transaction():
            if catalog.setting("field_names") is None:
                fields = (name for row in catalog.images.all() for name in row.ref.fields)
                catalog.remember_fields(dict.fromkeys(fields))
        return catalog.fingerprint
    finally:
        catalog.close()
