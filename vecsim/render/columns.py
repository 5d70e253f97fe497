"""The columns and rows of each table: matches, failures, groups, calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from vecsim.errors import UsageError

if TYPE_CHECKING:  # these import NumPy, which --help does not need
    from vecsim.index.match_blocks import MatchBlock
    from vecsim.operations.applying import Outcome
    from vecsim.operations.calibrating.counting import ScoreCounts
    from vecsim.operations.calibrating.estimating import Estimate
    from vecsim.operations.deciding import ListedDecision
    from vecsim.operations.syncing import Change
    from vecsim.records import Failure
    from vecsim.results import Cluster, Match

Value: TypeAlias = str | int | float | None
Row: TypeAlias = Sequence[Value]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and the kind of its values.

    A "score" is written with exactly six decimals in formats of text. `sorts`: a table for reading
    is sorted by it, highest first.
    """

    name: str
    kind: Literal["text", "integer", "number", "score"] = "text"
    sorts: bool = False


def as_columns(columns: Iterable[str | Column]) -> list[Column]:
    """Turn names into columns of text and make all names unique."""
    from vecsim.sources import unique_names

    typed = [Column(column) if isinstance(column, str) else column for column in columns]
    names = unique_names([column.name for column in typed])
    return [replace(column, name=name) for name, column in zip(names, typed, strict=True)]


def match_columns(
    query_fields: Sequence[str],
    reference_fields: Sequence[str],
    names: tuple[str, str] | None = None,
    *,
    oriented: bool = False,
) -> list[Column]:
    """Return the columns of matches; `names` replaces the prefixes `query` and `reference`.

    `oriented`: with the column `orientation`.
    """
    query, reference = names or ("query", "reference")
    if query == reference:
        raise UsageError(f"both names of a match are {query!r}; they must differ.")
    own = [f"{query}_id", f"{query}_url", f"{reference}_id", f"{reference}_url"]
    carried = [f"{query}_{name}" for name in query_fields]
    carried += [f"{reference}_{name}" for name in reference_fields]
    orientation = ["orientation"] if oriented else []
    return as_columns([*own, Column("score", "score", sorts=True), *orientation, *carried])


def match_row(
    query_fields: Sequence[str], reference_fields: Sequence[str], *, oriented: bool = False
) -> Callable[[Match], Row]:
    """Return a function from a match to its values, in the order of `match_columns`."""

    def row(match: Match) -> Row:
        values: list[Value] = [
            match.query_id,
            match.query_url,
            match.reference_id,
            match.reference_url,
            match.score + 0.0,  # -0.0 becomes 0.0
        ]
        if oriented:
            values.append(match.orientation)
        values += [match.query_fields.get(name) for name in query_fields]
        values += [match.reference_fields.get(name) for name in reference_fields]
        return values

    return row


def block_rows(
    block: MatchBlock,
    query_fields: Sequence[str],
    reference_fields: Sequence[str],
    *,
    oriented: bool = False,
) -> Iterator[Row]:
    """Yield the values of the matches of a block, in the order of `match_columns`.

    Made column by column, which takes a fraction of the time of `match_row` for each.
    """
    from vecsim.operations.matches import references_of

    for queries, references, scores, orientations in references_of(block):
        columns: list[Sequence[Value]] = [
            [ref.id for ref in queries],
            [ref.url for ref in queries],
            [ref.id for ref in references],
            [ref.url for ref in references],
            [score + 0.0 for score in scores],  # -0.0 becomes 0.0
        ]
        if oriented:
            columns.append(orientations)
        columns += [[ref.fields.get(name) for ref in queries] for name in query_fields]
        columns += [[ref.fields.get(name) for ref in references] for name in reference_fields]
        yield from zip(*columns, strict=True)


def failure_columns(fields: Sequence[str]) -> list[Column]:
    """Return the columns of failures: a table that can be read again as a list of images."""
    from vecsim.sources import FAILURE_COLUMNS

    numbers = ("http_status", "attempts")
    own = [Column(name, "integer" if name in numbers else "text") for name in FAILURE_COLUMNS]
    return as_columns(["id", "url", *fields, *own])


def failure_rows(failures: Iterable[Failure], fields: Sequence[str]) -> Iterator[Row]:
    """Yield the values of failures, in the order of `failure_columns`."""
    from vecsim.sources import FAILURE_COLUMNS

    for failure in failures:
        carried = [failure.ref.fields.get(name) for name in fields]
        own = [getattr(failure, name) for name in FAILURE_COLUMNS]
        yield [failure.ref.id, failure.ref.url, *carried, *own]


def cluster_columns(fields: Sequence[str], *, oriented: bool = False) -> list[Column]:
    """Return the columns of groups of near-duplicates: one row for each image.

    `keep`: "yes" or "no"; the first image of a group is the one to keep, and `score` that with it.
    `reason`: why an image is kept or given up. `smallest_score`: of any two images of the group.
    `oriented`: with the column `orientation`.
    """
    orientation = ["orientation"] if oriented else []
    return as_columns(
        [
            Column("group", "integer"),
            Column("size", "integer"),
            "id",
            "url",
            "keep",
            Column("score", "score"),
            *orientation,
            Column("width", "integer"),
            Column("height", "integer"),
            Column("byte_count", "integer"),
            Column("smallest_score", "score"),
            "reason",
            *fields,
        ]
    )


def cluster_rows(number: int, cluster: Cluster, fields: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of one group's images, in the order of `cluster_columns`."""
    columns = (cluster.members, cluster.facts, cluster.scores, cluster.keep, cluster.reasons)
    orientations = [[name] for name in cluster.orientations] or [[]] * len(cluster)
    for ref, facts, score, kept, reason, turned in zip(*columns, orientations, strict=True):
        keep = "yes" if kept else "no"
        carried = [ref.fields.get(name) for name in fields]
        about = (facts.width, facts.height, facts.byte_count, cluster.smallest_score, reason)
        yield [number, len(cluster), ref.id, ref.url, keep, score, *turned, *about, *carried]


def outcome_columns() -> list[Column]:
    """Return the columns of applied lists: one row for each image that a list gives up."""
    score = Column("score", "score")
    # What a narrow terminal should show comes first.
    return as_columns(
        ["status", "url", "kept_url", score, "target", "why", "action", "id", "kept_id"]
    )


def outcome_rows(outcomes: Iterable[Outcome]) -> Iterator[Row]:
    """Yield the values of outcomes, in the order of `outcome_columns`."""
    for outcome in outcomes:
        image, kept = outcome.image, outcome.kept
        kept_id, kept_url = (kept.id, kept.url) if kept else (None, None)
        found = [outcome.status, image.url, kept_url, outcome.score, outcome.target, outcome.why]
        yield [*found, outcome.action, image.id, kept_id]


def web_image_columns() -> list[Column]:
    """Return the columns of the list of images that are no files, and that a list gives up."""
    return as_columns(["id", "url", "keep", "kept_id", "kept_url", Column("score", "score")])


def web_image_rows(outcomes: Iterable[Outcome]) -> Iterator[Row]:
    """Yield the values of outcomes, in the order of `web_image_columns`."""
    for outcome in outcomes:
        image, kept = outcome.image, outcome.kept
        both = [kept.id if kept else None, kept.url if kept else None]
        yield [image.id, image.url, "no", *both, outcome.score]


def change_columns() -> list[Column]:
    """Return the columns of what a sync has changed: one row for each change."""
    return as_columns(["change", "id", "url", "previous_id", "previous_url", "source", "detail"])


def change_rows(changes: Iterable[Change]) -> Iterator[Row]:
    """Yield the values of changes, in the order of `change_columns`."""
    for change in changes:
        previous = (change.previous_id, change.previous_url)
        yield [change.kind, change.id, change.url, *previous, change.source, change.detail]


def decision_columns() -> list[Column]:
    """Return the columns of decisions: a table that can be imported again."""
    sides = [f"{side}_{what}" for side in ("first", "second") for what in ("id", "url")]
    return as_columns(["verdict", *sides, "decided_at", "first_sha256", "second_sha256"])


def decision_rows(listed: Iterable[ListedDecision]) -> Iterator[Row]:
    """Yield the values of decisions, in the order of `decision_columns`."""
    for each in listed:
        images = (each.first, each.second)
        names = [value for ref in images for value in ((ref.id, ref.url) if ref else (None, None))]
        decision = each.decision
        yield [decision.verdict, *names, decision.decided_at, decision.first, decision.second]


_SHARES = ("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high")


def calibration_columns(labelled: bool) -> list[Column]:
    """Return the columns of a calibration: one row for each threshold.

    `pairs` counts scores from this threshold to the next one, `matches` all scores from it up.
    """
    columns = [Column("threshold", "number"), Column("pairs", "integer")]
    columns.append(Column("matches", "integer"))
    if labelled:
        columns += [Column(name, "number") for name in _SHARES] + [Column("labels", "integer")]
    return columns


def calibration_rows(counts: ScoreCounts, estimates: Sequence[Estimate] | None) -> Iterator[Row]:
    """Yield the rows by ascending threshold; `estimates` is None if no pair is labelled."""
    from vecsim.operations.calibrating.counting import STEP, score_of

    by_bin = {estimate.bin: estimate for estimate in estimates or ()}
    for bin_ in counts.thresholds.tolist():
        last = min(bin_ + STEP, len(counts.counts))
        row: list[Value] = [score_of(bin_), counts.pairs_between(bin_, last)]
        row.append(int(counts.tail[bin_]))
        if estimates is not None:
            row += _share_values(by_bin.get(bin_))
        yield row


def _share_values(estimate: Estimate | None) -> list[Value]:
    if estimate is None:
        return [None] * (len(_SHARES) + 1)
    values: list[Value] = []
    for share in (estimate.precision, estimate.recall):
        values += [round(value, 3) for value in (share.value, share.low, share.high)]
    return [*values, estimate.precision.labels]


def as_text(value: Value, kind: str) -> str:
    """Return a value as text: empty for None, six decimals for a score."""
    if value is None:
        return ""
    return f"{value:.6f}" if kind == "score" else str(value)
