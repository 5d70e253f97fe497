"""The functions `apply_decisions` and `undo` of the library."""

from __future__ import annotations

from pathlib import Path

from vecsim.api.index import Index
from vecsim.operations import applying
from vecsim.operations.applying import ApplyReport, ApplyRequest, UndoReport


def apply_decisions(
    decisions: str | Path,
    index: Index | str | Path,
    *,
    method: str = "none",
    folder: str | Path | None = None,
    threshold: float | None = None,
    journal: str | Path | None = None,
    dry_run: bool = False,
    wait: bool = False,
) -> ApplyReport:
    """Act on the files that a list gives up: those whose column `keep` says no.

    `decisions`: a CSV, TSV or JSON lines file with the columns id, group and keep. `index`: the
    index that the list was made from, which knows the bytes of each file.
    `method`: "none" (only report what the list gives up), "trash", "move" (to `folder`, with their
    subfolders), "hardlink", "symlink" or "reflink" (only files with the same bytes as the kept
    one), or "delete", which cannot be undone.
    `threshold`: the lowest score of a file with the kept one; by default the index's own, or its
    model's. `journal`: the file that records each step, by default beside `decisions`. `dry_run`:
    check everything and change nothing. `wait`: wait for another writer of the index.

    The whole list is checked before anything is done. Then each file is left as it is if it or the
    kept file is missing or has other bytes than the index knows, or if both are one file. Files
    that leave their place leave the index too. After a crash, the same call continues.

    Raises `InputError`, `UsageError`, `UnknownIdError`, `IndexLockedError`, `StorageError`.
    """
    path = index.path if isinstance(index, Index) else Path(index)
    record = Path(journal) if journal is not None else Path(decisions).with_suffix(".journal")
    request = ApplyRequest(
        method,
        Path(folder) if folder is not None else None,
        threshold,
        record,
        dry_run=dry_run,
        wait=wait,
    )
    return applying.apply_choices(path, applying.read_choices(decisions), request)


def undo(journal: str | Path, *, wait: bool = False) -> UndoReport:
    """Bring back what `apply_decisions` moved, linked or put into the trash.

    Files get their old place, mode and times, and their images return to the index. Deleted files
    are listed only. It can be repeated. Raises `InputError`, `IndexLockedError`, `StorageError`.
    """
    return applying.undo(Path(journal), wait=wait)
