"""Results of searches: as tables of several libraries, and as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from vecsim.api.progress import SearchWatch
from vecsim.errors import MissingExtraError
from vecsim.index import Snapshot
from vecsim.operations import clustering, matches
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.requests import Grouping, SearchRequest
from vecsim.records import Failure
from vecsim.render.columns import (
    Column,
    Row,
    cluster_columns,
    cluster_rows,
    match_columns,
    match_row,
)
from vecsim.render.notebook import Card, cards_html
from vecsim.results import Cluster

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_SHOWN_PAIRS = 20
_SHOWN_CLUSTERS = 10
_SHOWN_MEMBERS = 12
_DTYPES: dict[str, Any] = {"score": np.float64, "number": np.float64}


class Table:
    """A result with columns, as a table of the library that the caller uses."""

    def _columns(self, fields: bool) -> Sequence[Column]:
        raise NotImplementedError

    def _rows(self, fields: bool) -> Iterator[Row]:
        raise NotImplementedError

    def _lists(self, fields: bool) -> dict[str, list[Any]]:
        """Return the values of each column."""
        names = [column.name for column in self._columns(fields)]
        lists: dict[str, list[Any]] = {name: [] for name in names}
        for row in self._rows(fields):
            for name, value in zip(names, row, strict=True):
                lists[name].append(value)
        return lists

    def to_numpy(self, *, fields: bool = False) -> np.ndarray[Any, np.dtype[np.void]]:
        """Return the result as a structured array: scores are float64, all else objects.

        `fields`: with the URLs and the carried fields.

        >>> shop.clusters(threshold=0.9).to_numpy()["id"].tolist()
        ['Pictures/3.jpg', 'Pictures/1.jpg']
        """
        dtype = [(each.name, _DTYPES.get(each.kind, object)) for each in self._columns(fields)]
        return np.array([tuple(row) for row in self._rows(fields)], np.dtype(dtype))

    def to_pandas(self, *, fields: bool = False) -> pandas.DataFrame:
        """Return the result as a pandas DataFrame. Raises `MissingExtraError` without pandas.

        `fields`: with the URLs and the carried fields.

        >>> vecsim.match(shop, threshold=0.9).to_pandas().shape
        (1, 3)
        """
        try:
            import pandas
        except ImportError as error:
            raise _missing("to_pandas", "pandas", "pandas") from error
        return pandas.DataFrame(self._lists(fields))

    def to_polars(self, *, fields: bool = False) -> polars.DataFrame:
        """Return the result as a Polars DataFrame. Raises `MissingExtraError` without Polars.

        `fields`: with the URLs and the carried fields.

        >>> vecsim.match(shop, threshold=0.9).to_polars().columns
        ['query_id', 'reference_id', 'score']
        """
        try:
            import polars
        except ImportError as error:
            raise _missing("to_polars", "polars", "polars") from error
        kinds: dict[str, Any] = {"score": polars.Float64, "number": polars.Float64}
        kinds |= {"text": polars.String, "integer": polars.Int64}
        schema = {each.name: kinds[each.kind] for each in self._columns(fields)}
        return polars.DataFrame(self._lists(fields), schema=schema)

    def to_arrow(self, *, fields: bool = False) -> pyarrow.Table:
        """Return the result as an Arrow table. Raises `MissingExtraError` without pyarrow.

        `fields`: with the URLs and the carried fields.

        >>> vecsim.match(shop, threshold=0.9).to_arrow().num_rows
        1
        """
        try:
            import pyarrow
        except ImportError as error:
            raise _missing("to_arrow", "pyarrow", "parquet") from error
        kinds = {"score": pyarrow.float64(), "number": pyarrow.float64()}
        kinds |= {"text": pyarrow.string(), "integer": pyarrow.int64()}
        schema = pyarrow.schema([(each.name, kinds[each.kind]) for each in self._columns(fields)])
        return pyarrow.table(self._lists(fields), schema=schema)


def _missing(function: str, package: str, extra: str) -> MissingExtraError:
    return MissingExtraError(f"{function}() needs {package}: pip install 'vecsim[{extra}]'")


class Matches(Table, matches.Matches):
    """Pairs of similar images in their final order; each iteration searches again.

    Nothing is kept between two iterations, so a result of any size takes little memory until it is
    converted to a table. A notebook shows the first pairs side by side. `query_fields`,
    `reference_fields`: names of the carried fields. `left_out`: the placeholders that the search
    skipped. `hidden`: how many pairs the last complete iteration left out, by reason. `oriented`:
    whether queries were compared in several orientations, so that each match says in which.
    `failures`: images that were given to the search and could not be loaded.

    >>> matches = vecsim.match(shop, threshold=0.9)
    >>> matches.to_pandas()[["query_id", "reference_id", "score"]].values.tolist()
    [['Pictures/1.jpg', 'Pictures/3.jpg', 0.9375]]
    """

    def __init__(
        self,
        found: matches.Matches,
        queries: Snapshot | None,
        references: Snapshot,
        what: str,
        watch: SearchWatch | None = None,
        failures: Sequence[Failure] = (),
    ) -> None:
        """`queries`: None where they are no images of an index. `what`: describes the search.

        `watch`: what the search of `found` reports to.
        """
        super().__init__(
            found.blocks if watch is None else watch.over(found.blocks),
            found.query_fields,
            found.reference_fields,
            found.left_out,
            found.hidden,
            oriented=found.oriented,
        )
        self.not_turned = found.not_turned
        self.failures = list(failures)
        self._silent = found.blocks
        self._queries = queries
        self._references = references
        self._what = what

    def _columns(self, fields: bool) -> Sequence[Column]:
        if fields:
            return match_columns(self.query_fields, self.reference_fields, oriented=self.oriented)
        columns = [Column("query_id"), Column("reference_id"), Column("score", "score")]
        return columns + [Column("orientation")] * self.oriented

    def _rows(self, fields: bool) -> Iterator[Row]:
        if fields:
            row = match_row(self.query_fields, self.reference_fields, oriented=self.oriented)
            yield from map(row, self)
            return
        for match in self:
            own: list[Any] = [match.query_id, match.reference_id, match.score]
            yield [*own, match.orientation] if self.oriented else own

    def to_numpy(self, *, fields: bool = False) -> np.ndarray[Any, np.dtype[np.void]]:
        """Return all matches as a structured array: ids as objects, score as float64.

        If `oriented`, also orientation. `fields`: with the URLs and the carried fields.

        >>> vecsim.match(shop, threshold=0.9).to_numpy()["score"].tolist()
        [0.9375]
        """
        # Without fields, whole blocks are converted.
        return super().to_numpy(fields=True) if fields else matches.Matches.to_numpy(self)

    def __repr__(self) -> str:
        failed = f", {len(self.failures):,} images failed" if self.failures else ""
        return f"<Matches: {self._what}{failed}>"

    def _repr_html_(self) -> str:
        """Return the first pairs with their pictures, for a notebook."""
        pairs = list(islice(self._cards(), _SHOWN_PAIRS + 1))
        more = f"The first {_SHOWN_PAIRS} pairs." if len(pairs) > _SHOWN_PAIRS else ""
        title = f"Matches: {self._what}" + ("" if pairs else ": none")
        rows = [(f"{score:.6f}", cards) for score, cards in pairs[:_SHOWN_PAIRS]]
        return cards_html(title, rows, more)

    def _cards(self) -> Iterator[tuple[float, list[Card]]]:
        for block in self._silent():
            shown = block.pairs.take(np.arange(min(len(block.pairs), _SHOWN_PAIRS + 1)))
            keys = shown.query.tolist(), shown.reference.tolist()
            own = self._queries
            ours = block.query_thumbnails if own is None else own.readable_thumbnails(set(keys[0]))
            theirs = self._references.readable_thumbnails(set(keys[1]))
            for query, reference, score in zip(*keys, shown.score.tolist(), strict=True):
                one, other = block.queries[query].ref, block.references[reference].ref
                yield (
                    score,
                    [
                        Card(one.id, one.url, ours.get(query, b"")),
                        Card(other.id, other.url, theirs.get(reference, b"")),
                    ],
                )


class Clusters(Table, clustering.Clusters):
    """Groups of two or more similar images, in the order of their images.

    Each iteration searches again. A notebook shows the first groups, with the image to keep first.
    `hidden`: how many images the last iteration left out, by reason. `separated`: how many pairs of
    images match, but were judged different. `contradictions`: chains of pictures judged the same
    whose ends were judged different, as SHA-256.

    >>> shop.clusters(threshold=0.9).to_numpy()[["group", "id", "keep"]].tolist()
    [(1, 'Pictures/3.jpg', 'yes'), (1, 'Pictures/1.jpg', 'no')]
    """

    def __init__(
        self,
        snapshot: Snapshot,
        request: SearchRequest,
        grouping: Grouping,
        watch: SearchWatch | None = None,
    ) -> None:
        """Find nothing yet: each iteration does, and reports to `watch`. Raises `UsageError`."""
        threshold = threshold_of(snapshot, request.threshold)
        super().__init__(snapshot, threshold, request, grouping)
        self.watch = self._watch = watch or SearchWatch()

    def __iter__(self) -> Iterator[Cluster]:
        """Yield each cluster: the image to keep first, the others by falling score with it."""
        with self._watch.showing():
            yield from super().__iter__()

    def _columns(self, fields: bool) -> Sequence[Column]:
        names = self._snapshot.field_names if fields else []
        columns = cluster_columns(names, oriented=self.oriented)
        return columns if fields else [each for each in columns if each.name != "url"]

    def _rows(self, fields: bool) -> Iterator[Row]:
        names = self._snapshot.field_names if fields else []
        place = [each.name for each in cluster_columns((), oriented=self.oriented)].index("url")
        for number, cluster in enumerate(self, 1):
            for row in cluster_rows(number, cluster, names):
                yield row if fields else [*row[:place], *row[place + 1 :]]

    def __repr__(self) -> str:
        linkage = self._grouping.linkage
        return (
            f"<Clusters of {self._snapshot.folder.path}: {linkage}, score >= {self._threshold:g}>"
        )

    def _repr_html_(self) -> str:
        """Return the first groups with their pictures, for a notebook."""
        found = list(islice(super().__iter__(), _SHOWN_CLUSTERS + 1))
        more = f"The first {_SHOWN_CLUSTERS} clusters." if len(found) > _SHOWN_CLUSTERS else ""
        title = f"Clusters: {self._grouping.linkage}, score >= {self._threshold:g}"
        rows = [(f"{len(each)} images", self._cards(each)) for each in found[:_SHOWN_CLUSTERS]]
        return cards_html(title if found else f"{title}: none", rows, more)

    def _cards(self, cluster: Cluster) -> list[Card]:
        thumbnails = self._snapshot.readable_thumbnails(cluster.keys[:_SHOWN_MEMBERS])
        members = zip(cluster.members, cluster.keys, cluster.keep, cluster.scores, strict=True)
        return [
            Card(
                ref.id,
                ref.url,
                thumbnails.get(key, b""),
                f"{'keep' if kept else 'give up'} · {score:.6f}",
            )
            for ref, key, kept, score in islice(members, _SHOWN_MEMBERS)
        ]
