"""The columns of a result, and the values of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from vecsim.errors import UsageError

if TYPE_CHECKING:  # records and sources bring NumPy, which a help page does not need
    from vecsim.operations.calibrating.counting import ScoreCounts
    from vecsim.operations.calibrating.estimating import Estimate
    from vecsim.records import Cluster, Failure, Match

Value: TypeAlias = str | int | float | None
Row: TypeAlias = Sequence[Value]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it is called and what stands in it.

    `kind` decides how a value is written: a "score" with exactly six decimals where it is text.
    """

    name: str
    kind: Literal["text", "integer", "number", "score"] = "text"


def as_columns(columns: Iterable[str | Column]) -> list[Column]:
    """Columns as given; a plain name is a column of text. Names become unique."""
    made = [Column(column) if isinstance(column, str) else column for column in columns]
    names = unique([column.name for column in made])
    return [Column(name, column.kind) for name, column in zip(names, made, strict=True)]


def unique(names: Sequence[str]) -> list[str]:
    """Number the repetitions of a name: title, title_2 and so on.

    A carried field may be called like one of vecsim's own columns; neither may hide the other.
    """
    made: dict[str, None] = {}
    for name in names:
        candidate, number = name, 1
        while candidate in made:
            number += 1
            candidate = f"{name}_{number}"
        made[candidate] = None
    return list(made)


def match_columns(
    query_fields: Sequence[str],
    reference_fields: Sequence[str],
    names: tuple[str, str] | None = None,
) -> list[Column]:
    """The columns of matches; `names` replaces the prefixes `query` and `reference`."""
    query, reference = names or ("query", "reference")
    if query == reference:
        raise UsageError(f"the two names of a match must differ, and both are {query!r}.")
    own = [f"{query}_id", f"{query}_url", f"{reference}_id", f"{reference}_url"]
    carried = [f"{query}_{name}" for name in query_fields]
    carried += [f"{reference}_{name}" for name in reference_fields]
    return as_columns([*own, Column("score", "score"), *carried])


def match_row(
    query_fields: Sequence[str], reference_fields: Sequence[str]
) -> Callable[[Match], Row]:
    """A function from a match to its values, in the order of `match_columns`."""

    def row(match: Match) -> Row:
        values: list[Value] = [
            match.query_id,
            match.query_url,
            match.reference_id,
            match.reference_url,
            match.score + 0.0,  # -0.0 becomes 0.0
        ]
        values += [match.query_fields.get(name) for name in query_fields]
        values += [match.reference_fields.get(name) for name in reference_fields]
        return values

    return row


def failure_columns(fields: Sequence[str]) -> list[Column]:
    """The columns of a list of failures that `vecsim add` reads again."""
    from vecsim.sources import FAILURE_COLUMNS

    numbers = ("http_status", "attempts")
    own = [Column(name, "integer" if name in numbers else "text") for name in FAILURE_COLUMNS]
    return as_columns(["id", "url", *fields, *own])


def failure_rows(failures: Iterable[Failure], fields: Sequence[str]) -> Iterator[Row]:
    """The values of failures, in the order of `failure_columns`."""
    from vecsim.sources import FAILURE_COLUMNS

    for failure in failures:
        carried = [failure.ref.fields.get(name) for name in fields]
        own = [getattr(failure, name) for name in FAILURE_COLUMNS]
        yield [failure.ref.id, failure.ref.url, *carried, *own]


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


_SHARES = ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")


def calibration_columns(labelled: bool) -> list[Column]:
    """The columns: one row for each threshold, `pairs` up to the next one, `matches` from it on."""
    columns = [Column("threshold", "number"), Column("pairs", "integer")]
    columns.append(Column("matches", "integer"))
    if labelled:
        columns += [Column(name, "number") for name in _SHARES] + [Column("labels", "integer")]
    return columns


def calibration_rows(counts: ScoreCounts, found: Sequence[Estimate] | None) -> Iterator[Row]:
    """The values, ascending; `found`: None where nothing is labelled."""
    from vecsim.operations.calibrating.counting import STEP, score_of

    told = {estimate.bin: estimate for estimate in found or ()}
    for bin_ in counts.thresholds.tolist():
        last = min(bin_ + STEP, len(counts.counts))
        row: list[Value] = [score_of(bin_), counts.pairs_between(bin_, last)]
        row.append(int(counts.tail[bin_]))
        if found is not None:
            row += _shares(told.get(bin_))
        yield row


def _shares(estimate: Estimate | None) -> list[Value]:
    if estimate is None:
        return [None] * (len(_SHARES) + 1)
    values: list[Value] = []
    for share in (estimate.precision, estimate.recall):
        values += [round(value, 3) for value in (share.value, share.low, share.high)]
    return [*values, estimate.precision.labels]


def as_text(value: Value, kind: str) -> str:
    """A value where it must be text: nothing for None, six decimals for a score."""
    if value is None:
        return ""
    return f"{value:.6f}" if kind == "score" else str(value)
