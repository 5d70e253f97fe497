"""Refuses removals that a list which is empty or cut short would cause."""

from __future__ import annotations

import math
import os
from pathlib import Path

from vecsim.catalog import Listing, SourceRow
from vecsim.errors import InputError
from vecsim.fetch import parse_address
from vecsim.hints import Action, Hint
from vecsim.operations.syncing.planning import NEW
from vecsim.operations.syncing.records import SyncOptions, SyncReport


class RemovalGuard:
    """The limits on what a run removes, for each source by itself."""

    def __init__(self, listing: Listing, owned: dict[int, int], options: SyncOptions) -> None:
        """`owned`: how many images each source had before the run, by its number."""
        self._listing = listing
        self._owned = owned
        self._options = options

    def check_empty(self, source: SourceRow) -> None:
        """Raise `InputError` if a source that had images lists none, unless that is allowed."""
        owned = 0 if self._options.keep_unlisted else self._owned.get(source.number, 0)
        if owned and not self._listing.count(source.number) and not self._options.allow_empty:
            raise InputError(
                f"{source.name}: lists no images, and {owned:,} of the index are from it. "
                f"Nothing was changed.",
                hint=Hint(Action.ALLOW_EMPTY_SOURCE),
            )

    def check_share(self, source: SourceRow, *, first: bool) -> None:
        """Raise `InputError` if a source has lost more than the allowed share of its images.

        `first`: nothing was fetched yet, so that each new row may turn out to be a renamed image.
        """
        if self._options.keep_unlisted:
            return
        owned, lost = self._owned.get(source.number, 0), self._listing.count_lost(source.number)
        certain = lost - (self._listing.count(source.number, NEW) if first else 0)
        if certain <= owned * self._options.max_remove / 100:
            return
        if self._options.allow_empty and not self._listing.count(source.number):
            return
        changed = "Nothing was changed." if first else "Nothing was removed; new images were added."
        raise InputError(
            f"{source.name}: no longer lists {lost:,} of its {owned:,} images "
            f"({100 * lost / owned:.0f} %), more than the {self._options.max_remove:g} % that one "
            f"run may remove. {changed}",
            hint=Hint(Action.RAISE_MAX_REMOVE, share=math.ceil(100 * lost / owned)),
        )


def keep_files_on_disk(listing: Listing, folders: set[int], report: SyncReport) -> None:
    """Keep files that their folder no longer lists although they are still there.

    They are below a folder that cannot be read or is hidden now. `folders`: numbers of the sources
    that are folders.
    """
    kept = [
        (id_, source)
        for id_, source, _, url in listing.lost()
        if source in folders and url is not None and not _is_gone(url)
    ]
    report.on_disk += len(kept)
    listing.keep(kept)


def _is_gone(url: str) -> bool:
    """Return whether it is certain that there is no file at `url`, which a folder listed."""
    path = parse_address(url).path or Path(url)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
