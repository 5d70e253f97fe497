"""Which references of a source are new to an index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal, get_args

from vecsim.catalog import Catalog
from vecsim.errors import DuplicateIdError, UsageError
from vecsim.records import AddReport, ImageRef

OnDuplicate = Literal["error", "skip", "replace"]

_BATCH = 500


class Plan:
    """Skips what the index has, counting it in `report`, and lets the rest pass in order."""

    def __init__(
        self,
        catalog: Catalog,
        on_duplicate: str,
        report: AddReport,
        go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """`go_on` is asked now and then; when it says False, no more references pass."""
        if on_duplicate not in get_args(OnDuplicate):
            raise UsageError(
                f"on_duplicate={on_duplicate!r}: choose one of {', '.join(get_args(OnDuplicate))}."
            )
        self._catalog = catalog
        self._on_duplicate = on_duplicate
        self._report = report
        self._go_on = go_on
        # Let pass, but not yet committed: id to URL.
        self._pending: dict[str, str] = {}

    def new(self, refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
        """Yield the references that must be fetched.

        The same id and URL again is skipped, failures too, but for images that a damaged file
        lost; the same id with another URL follows `on_duplicate`. Raises `DuplicateIdError`.
        """
        source = iter(refs)
        while self._go_on() and (batch := list(islice(source, _BATCH))):
            ids = [ref.id for ref in batch]
            known = {id_: row.ref.url for id_, row in self._catalog.images.by_id(ids).items()}
            failed = self._catalog.failures.urls(ids, but_not="lost")
            # Decided for the whole batch at once: a commit between two of its rows would make
            # what was looked up here out of date.
            chosen, error = [], None
            for ref in batch:
                stored = self._pending.get(ref.id, known.get(ref.id))
                try:
                    fresh = self._is_new(ref, stored, failed.get(ref.id))
                except DuplicateIdError as duplicate:
                    error = duplicate
                    break
                if fresh:
                    self._pending[ref.id] = ref.url
                    chosen.append(ref)
                else:
                    self._report.skipped += 1
            yield from chosen
            if error is not None:
                raise error

    def settled(self, refs: Iterable[ImageRef]) -> None:
        """These are committed: the catalog answers for them from now on."""
        for ref in refs:
            if self._pending.get(ref.id) == ref.url:
                del self._pending[ref.id]

    def _is_new(self, ref: ImageRef, stored: str | None, failed: str | None) -> bool:
        """Decide for one reference, given the stored and the failed URL of its id."""
        if ref.url in (stored, failed):
            return False
        if stored is None or self._on_duplicate == "replace":
            return True
        if self._on_duplicate == "skip":
            return False
        where = f"{ref.location}: " if ref.location else ""
        raise DuplicateIdError(
            f"{where}id {ref.id!r} stands for {stored} already, and now for {ref.url}. Ids must be "
            f"unique: choose another --id-column, or say --on-duplicate skip or replace."
        )
