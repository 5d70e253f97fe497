"""Searches of one index: those that wait at the same time are answered together.

What an answer says of an image is kept for later answers until the catalog changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

from vecsim.catalog import ImageRow
from vecsim.errors import UnknownIdError
from vecsim.index import Snapshot
from vecsim.operations.joint_queries import Hit, JointQuery, best_of_group, groups_of
from vecsim.orientations import NAMES, codes_of
from vecsim.records import Embedded
from vecsim.web import search_schemas
from vecsim.web.batching import Batcher

_KEPT_BYTES, _KEPT_ROWS = 32_000_000, 50_000
"""Texts of images that are kept at most, as bytes of JSON, and how many."""

_ORIENTATIONS = {name: json.dumps(name).encode() for name in (None, *NAMES)}
"""What an answer says of each orientation, as JSON."""

_SCORE = b',"score":0.0,"orientation":null'


@dataclass(frozen=True, slots=True)
class HowSimilar:
    """Which matches of a query are answered: the best `k` with at least a score.

    `orientations`: in which the query is compared.
    """

    threshold: float
    k: int
    orientations: str

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes of the orientations."""
        return codes_of(self.orientations)


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for: the id of an image of the index, which is left out, or a picture."""

    query: str | Embedded
    how: HowSimilar


@dataclass(frozen=True, slots=True)
class _Known:
    """An image, and its JSON in an answer: before its score, and behind its orientation."""

    row: ImageRow
    before: bytes
    behind: bytes


class _KnownImages:
    """Images of one state of the catalog; the thread for reading alone uses them."""

    def __init__(self, snapshot: Snapshot, api_path: str) -> None:
        self.snapshot = snapshot
        self._version = snapshot.catalog.data_version()
        self._api_path = api_path
        self._images: dict[int, _Known] = {}
        self._keys: dict[str, int] = {}
        """The keys of these images, by id."""
        self._size = 0

    def are_valid_for(self, snapshot: Snapshot) -> bool:
        """Whether nothing was committed since these images were read."""
        return snapshot is self.snapshot and snapshot.catalog.data_version() == self._version

    def find_ids(self, ids: Collection[str]) -> dict[str, ImageRow]:
        """Return the rows of images by id; unknown ids are left out."""
        rows = {name: self._images[self._keys[name]].row for name in ids if name in self._keys}
        lacking = [name for name in ids if name not in rows]
        return rows | self.snapshot.rows_of_ids(lacking) if lacking else rows

    def find(self, keys: Sequence[int]) -> dict[int, ImageRow]:
        """Return the rows of images by key."""
        return {key: known.row for key, known in self._find(keys).items()}

    def texts(self, hits: Sequence[Hit]) -> bytes:
        """Return hits as the items of a JSON array."""
        keys = [hit.row.key for hit in hits]
        known = self._images
        if not all(key in known for key in keys):
            known = self._find(keys)
        return b",".join(
            b'%b,"score":%b,"orientation":%b%b'
            % (
                known[hit.row.key].before,
                repr(hit.score).encode(),
                _ORIENTATIONS[hit.orientation],
                known[hit.row.key].behind,
            )
            for hit in hits
        )

    def _find(self, keys: Sequence[int]) -> dict[int, _Known]:
        found = {key: self._images[key] for key in keys if key in self._images}
        lacking = [key for key in keys if key not in found]
        if lacking:
            new = {key: self._known(row) for key, row in self.snapshot.rows(lacking).items()}
            found |= new
            size = sum(len(each.before) + len(each.behind) for each in new.values())
            if self._size + size > _KEPT_BYTES or len(self._images) + len(new) > _KEPT_ROWS:
                self._images, self._keys, self._size = {}, {}, 0
            if size <= _KEPT_BYTES:
                self._images |= new
                self._keys |= {each.row.ref.id: key for key, each in new.items()}
                self._size += size
        return found

    def _known(self, row: ImageRow) -> _Known:
        text = search_schemas.Match.from_row(self._api_path, row).model_dump_json().encode()
        before, _, behind = text.partition(_SCORE)  # within a text, the quotes would be escaped
        return _Known(row, before, behind)


SearchAnswer: TypeAlias = bytes
"""A body of `search_schemas.Matches`, as JSON."""


class SearchService:
    """Answers searches of one index; a thread for reading runs them."""

    def __init__(
        self, name: str, api_path: str, thread: Executor, snapshot: Callable[[], Snapshot]
    ) -> None:
        """`snapshot`: returns the newest one; is called on the thread."""
        self._name = name
        self._api_path = api_path
        self._snapshot = snapshot
        self._batches: Batcher[Search, SearchAnswer] = Batcher(thread, self._answer)
        self._images: _KnownImages | None = None

    async def search(self, query: str | Embedded, how: HowSimilar) -> SearchAnswer:
        """Find images similar to an image of the index, by its id, or to an embedded picture.

        Raises `VecsimError`.
        """
        return await self._batches.ask(Search(query, how))

    # -- on the thread for reading -------------------------------------------------------------

    def _answer(self, searches: Sequence[Search]) -> list[SearchAnswer | Exception]:
        """Answer searches together; where that fails, each alone, so that only its own error does.

        All are answered from one generation.
        """
        try:
            snapshot = self._snapshot()
            images = self._images
            if images is None or not images.are_valid_for(snapshot):
                images = self._images = _KnownImages(snapshot, self._api_path)
            ids = [search.query for search in searches if isinstance(search.query, str)]
            rows = images.find_ids(dict.fromkeys(ids))
        except Exception as error:
            if len(searches) == 1:
                return [error]
            return [self._answer([search])[0] for search in searches]
        answers: list[SearchAnswer | Exception] = [RuntimeError("not answered")] * len(searches)
        known, queries = [], []
        for place, search in enumerate(searches):
            image = rows.get(search.query) if isinstance(search.query, str) else search.query
            if image is None:
                path, name = snapshot.folder.path, search.query
                answers[place] = UnknownIdError(f"{path}: no image has the id {name!r}.")
            else:
                # One match more tells whether there are more.
                known.append(place)
                queries.append(JointQuery(image, search.how.k + 1, search.how.orientations))
        for group in groups_of(queries):
            some, its_places = [queries[one] for one in group], [known[one] for one in group]
            its_searches = [searches[place] for place in its_places]
            for place, answer in zip(
                its_places, self._answer_group(images, some, its_searches), strict=True
            ):
                answers[place] = answer
        return answers

    def _answer_group(
        self, images: _KnownImages, queries: Sequence[JointQuery], searches: Sequence[Search]
    ) -> list[SearchAnswer | Exception]:
        try:
            found = best_of_group(images.snapshot, queries, images.find)
            return [
                self._body(images, query, hits, search.how)
                for query, hits, search in zip(queries, found, searches, strict=True)
            ]
        except Exception as error:
            if len(queries) == 1:
                return [error]
            pairs = zip(queries, searches, strict=True)
            return [self._answer_group(images, [one], [its])[0] for one, its in pairs]

    def _body(
        self, images: _KnownImages, query: JointQuery, hits: Sequence[Hit], how: HowSimilar
    ) -> SearchAnswer:
        above = [hit for hit in hits if hit.score >= how.threshold]
        frame = search_schemas.Matches(
            index=self._name,
            query=search_schemas.Query.from_image(query.image),
            threshold=how.threshold,
            k=how.k,
            orientations=how.orientations,
            more=len(above) > how.k,
            matches=[],
        )
        start = frame.model_dump_json().encode().removesuffix(b"]}")
        return start + images.texts(above[: how.k]) + b"]}"
