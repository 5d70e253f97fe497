"""Whether the catalog's log is damaged, asked before SQLite opens it.

SQLite would take all that it cannot read for a commit that was never finished, and drop it.
"""

from __future__ import annotations

from vecsim.catalog import LogDamage, log_damage
from vecsim.index.layout import IndexFolder
from vecsim.index.lock import no_writer


def damaged_log(folder: IndexFolder) -> LogDamage | None:
    """What is wrong with the log; None while a process writes to it, which is sure to know it."""
    if log_damage(folder.catalog) is None:
        return None
    # A log that is being written to may look damaged: look again while nobody can.
    with no_writer(folder.writer_lock) as alone:
        return log_damage(folder.catalog) if alone else None
