"""Whether the log of a SQLite file is damaged, asked before SQLite opens it.

SQLite would take all that it cannot read for a commit that was never finished, and drop it.
"""

from __future__ import annotations

from pathlib import Path

from vecsim.catalog import LogDamage, log_damage
from vecsim.index.layout import IndexFolder
from vecsim.index.lock import no_writer


def damaged_log(folder: IndexFolder, file: Path) -> LogDamage | None:
    """What is wrong with the log of `file`.

    None while a process writes to it, which is sure to know it.
    """
    if log_damage(file) is None:
        return None
    # A log that is being written to may look damaged: look again while nobody can.
    with no_writer(folder.writer_lock) as alone:
        return log_damage(file) if alone else None
