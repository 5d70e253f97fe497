"""Drops thumbnails that are not what was written."""

from __future__ import annotations

from vecsim.catalog import ThumbnailStore, log_damage, log_of, memory_of
from vecsim.index.layout import IndexFolder
from vecsim.index.repair.record import Repair, set_aside
from vecsim.index.verify import Problem


def repair_thumbnails(folder: IndexFolder, done: Repair) -> None:
    """Drop those that are not what was written; all of them, where the file itself is damaged."""
    damage = log_damage(folder.thumbnails)
    if damage is not None:
        done.problems.append(Problem(damage.file, damage.what))
    store = ThumbnailStore(folder.thumbnails)
    try:
        broken, changed = store.doubt(write=True)
        if changed:
            what = f"{len(changed):,} of them were not what was written, and are dropped"
            done.problems.append(Problem(folder.thumbnails, what))
            store.remove(changed)
    finally:
        store.close()
    if broken:
        done.problems.append(Problem(folder.thumbnails, "damaged"))
        for file in (folder.thumbnails, log_of(folder.thumbnails)):
            if file.exists():
                set_aside(file, done)
        memory_of(folder.thumbnails).unlink(missing_ok=True)
    done.thumbnails_lost = bool(broken or changed or damage)
