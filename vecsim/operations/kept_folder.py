"""Where the indexes of sources are kept, found out without importing anything large.

A command looks here before it imports what it needs: decoder processes for a source that is new can
start meanwhile.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from vecsim.engines.engine import EngineOptions, start_early


def indexes_folder() -> Path:
    """Return where indexes of sources are kept: `$VECSIM_INDEXES`, else `indexes`."""
    return Path(os.environ.get("VECSIM_INDEXES", "indexes"))


def cache_folder() -> Path:
    """Return the hidden folder that holds them, in `indexes_folder()`."""
    return indexes_folder() / ".sources"


def start_for_new_sources(places: Iterable[str], options: EngineOptions) -> None:
    """Begin to start the processes that index sources, if one of `places` is a source that is new.

    Processes that were started for nothing end with the command; where they are not started now,
    the run starts them.
    """
    if any(map(_is_new, places)):
        start_early(options)


def _is_new(place: str) -> bool:
    """Tell whether there seems to be a source at `place` of which no index is kept."""
    if not os.path.exists(place) or os.path.exists(os.path.join(place, "catalog.db")):
        return False
    # The name of its index begins with that of the source, up to the first unusual character.
    start = re.sub(r"[^\w-].*", "", os.path.basename(os.path.abspath(place)))
    try:
        return not any(name.startswith(start) for name in os.listdir(cache_folder()))
    except OSError:
        return True
