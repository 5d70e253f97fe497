"""The decisions of the class `Index`: which pictures a person judged the same or different."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vecsim.catalog.decisions import Decision
from vecsim.operations import deciding
from vecsim.operations.deciding import ImportedDecisions, ListedDecision
from vecsim.sources import read_decided_pairs

if TYPE_CHECKING:
    from vecsim.api.index import Index


class IndexDecisions:
    """Decisions about pairs of an index; `Index` has the index itself."""

    path: Path

    @property
    def decisions(self) -> list[ListedDecision]:
        """What was decided about pairs of pictures, each with an image of both, where there is one.

        Pairs that were judged different are left out of matches, queries and clusters; pictures
        that were judged the same stay in one cluster.
        """
        return deciding.list_decisions(self.path)[0]

    def decide(
        self,
        first: object,
        second: object,
        verdict: str,
        *,
        queries: Index | str | Path | None = None,
        wait: bool | float = False,
    ) -> Decision:
        """Remember that two images are the "same" or "different".

        `first`, `second`: their ids. The decision belongs to the bytes of both, and so to all
        images with these bytes. `queries`: the index of the first, if it is another one.

        Raises `UnknownIdError`, `UsageError` (bytes that are unknown, or the same), and
        `IndexLockedError` unless `wait`.

        >>> shop.decide("Pictures/1.jpg", "Pictures/3.jpg", "different").verdict
        'different'
        >>> list(vecsim.match(shop, threshold=0.9))
        []
        """
        decided = [(str(first), str(second), verdict)]
        (made,) = deciding.decide(self.path, decided, queries=_path_of(queries), wait=wait)
        return made

    def forget_decision(self, first: object, second: object, *, wait: bool | float = False) -> None:
        """Forget what was decided about two ids, or two SHA-256. Raises `UnknownIdError`.

        >>> decision = shop.decide("Pictures/1.jpg", "Pictures/3.jpg", "different")
        >>> shop.forget_decision("Pictures/1.jpg", "Pictures/3.jpg")
        >>> shop.decisions
        []
        """
        deciding.forget(self.path, [(str(first), str(second))], wait=wait)

    def import_decisions(
        self,
        source: str | Path,
        *,
        queries: Index | str | Path | None = None,
        wait: bool | float = False,
    ) -> ImportedDecisions:
        """Remember the decisions of a list: exported decisions, marks of a report, answers.

        `queries`: the index of the first image of each pair, if it is another one. Of two decisions
        on a pair the newer counts. Raises `InputError`, `UnknownIdError` if no pair is known.

        >>> pairs = vecsim.match(shop, threshold=0.9).to_pandas(fields=True)
        >>> pairs.assign(verdict="same").to_csv("decided.csv", index=False)
        >>> shop.import_decisions("decided.csv").stored
        1
        """
        pairs = read_decided_pairs(source)
        return deciding.import_decisions(self.path, pairs, queries=_path_of(queries), wait=wait)


def _path_of(index: Index | str | Path | None) -> Path | None:
    """Return the path of an index, which is given as such or as a path."""
    if index is None or isinstance(index, str | Path):
        return None if index is None else Path(index)
    return index.path
