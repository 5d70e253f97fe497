"""Columns and rows of each table."""

from __future__ import annotations

import pytest

from vecsim.render.columns import (
    Column,
    as_columns,
    as_text,
    match_columns,
    match_row,
)
from vecsim.results import Match
from vecsim.sources import unique_names


def test_repeated_names_are_numbered() -> None:
    assert unique_names(["a", "b", "a", "a"]) == ["a", "b", "a_2", "a_3"]
    assert unique_names(["a", "a_2", "a"]) == ["a", "a_2", "a_3"]


def test_a_plain_name_is_a_column_of_text() -> None:
    assert as_columns(["a", Column("a", "score")]) == [Column("a"), Column("a_2", "score")]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [(None, "text", ""), (1.0, "score", "1.000000"), (0.5, "number", "0.5"), (3, "integer", "3")],
)
def test_values_as_text(value, kind: str, text: str) -> None:
    assert as_text(value, kind) == text


def test_the_row_of_a_match_has_the_order_of_its_columns() -> None:
    match = Match("1", "u", "2", "v", -0.0, {"title": "x"}, {"price": "5"})
    columns = match_columns(["title"], ["price", "sale"], ("ours", "theirs"))

    row = match_row(["title"], ["price", "sale"])(match)

    assert dict(zip([column.name for column in columns], row, strict=True)) == {
        "ours_id": "1",
        "ours_url": "u",
        "theirs_id": "2",
        "theirs_url": "v",
        "score": 0.0,
        "ours_title": "x",
        "theirs_price": "5",
        "theirs_sale": None,
    }
