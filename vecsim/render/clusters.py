"""Groups of alike images as rows, and as the pairs of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vecsim.render.columns import Column, Row, as_columns

if TYPE_CHECKING:
    from vecsim.index.join import MatchBlock
    from vecsim.records import Cluster


def cluster_columns(fields: Sequence[str]) -> list[Column]:
    """The columns of groups: one row for each image."""
    return as_columns(
        [
            Column("group", "integer"),
            Column("size", "integer"),
            "id",
            "url",
            "keep",
            Column("score", "score"),
            Column("width", "integer"),
            Column("height", "integer"),
            Column("byte_count", "integer"),
            *fields,
        ]
    )


def cluster_rows(number: int, cluster: Cluster, fields: Sequence[str]) -> Iterator[Row]:
    """The values of one group's images, in the order of `cluster_columns`."""
    columns = (cluster.members, cluster.facts, cluster.scores)
    for place, (ref, facts, score) in enumerate(zip(*columns, strict=True)):
        keep = "no" if place else "yes"
        carried = [ref.fields.get(name) for name in fields]
        sizes = (facts.width, facts.height, facts.byte_count)
        yield [number, len(cluster), ref.id, ref.url, keep, score, *sizes, *carried]


def cluster_block(cluster: Cluster) -> MatchBlock:
    """The pairs of a group: the image that is kept with each of the others."""
    import numpy as np

    from vecsim.catalog import ImageRow
    from vecsim.index.join import MatchBlock
    from vecsim.records import Pairs

    keys = np.array(cluster.keys, np.int64)
    pairs = Pairs(np.full(len(keys) - 1, keys[0]), keys[1:], np.array(cluster.scores[1:]))
    columns = (cluster.keys, cluster.members, cluster.facts)
    rows = {key: ImageRow(key, ref, facts, "") for key, ref, facts in zip(*columns, strict=True)}
    return MatchBlock(pairs, rows, rows)
