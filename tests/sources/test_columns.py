"""Which column is the id, which the URL, and which are kept as fields."""

from __future__ import annotations

import pytest

from vecsim.errors import InputError
from vecsim.sources import SourceOptions
from vecsim.sources.columns import ColumnLayout, choose_columns
from vecsim.sources.list_start import ListStart, number_columns, parse_header


def chosen(names: str, **options: object) -> ColumnLayout:
    start = ListStart(names.split(), location="shop.csv line 1")
    return choose_columns(start, SourceOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "id_", "url"),
    [
        ("id url", 0, 1),
        ("url id", 1, 0),
        ("id path title", 0, 1),
        ("url path", None, 0),
        ("sku title picture", None, 2),
        ("picture id", 1, 0),
        ("id", None, 0),
        ("ID Title URL", 0, 2),
        ("picture", None, 0),
    ],
)
def test_columns_with_a_header_are_found_by_name(names: str, id_: int | None, url: int) -> None:
    layout = chosen(names)
    assert (layout.id, layout.url) == (id_, url)


@pytest.mark.parametrize(("count", "id_", "url"), [(1, None, 0), (2, 0, 1), (4, 0, 3)])
def test_without_a_header_the_first_column_is_the_id_and_the_last_the_url(
    count: int, id_: int | None, url: int
) -> None:
    start = ListStart(number_columns(count), is_named=False)
    layout = choose_columns(start, SourceOptions())
    assert (layout.id, layout.url) == (id_, url)


def test_columns_are_chosen_by_name_or_number() -> None:
    assert chosen("a b c", id_column="c", url_column="1") == ColumnLayout(2, 0, {"b": 1})
    assert chosen("1 2 3", header=False, id_column="3") == ColumnLayout(2, 1, {"1": 0})
    assert chosen("2 1", url_column="2").url == 0, "a name comes before a number"


def test_only_the_chosen_fields_are_kept() -> None:
    assert chosen("id a b url", columns=("b", "a")).fields == {"b": 2, "a": 1}
    assert chosen("id a b url", columns=()).fields == {}
    assert chosen("id a b url", columns=("id", "b", "url")).fields == {"b": 2}


def test_one_column_can_be_id_and_url() -> None:
    assert chosen("a b", id_column="b", url_column="b") == ColumnLayout(None, 1, {"a": 0})


@pytest.mark.parametrize("option", ["id_column", "url_column"])
def test_a_missing_column_is_an_error_with_a_suggestion(option: str) -> None:
    with pytest.raises(InputError) as caught:
        chosen("id title image_url", **{option: "image-url"})
    said = str(caught.value)
    assert said.startswith("shop.csv line 1: no column 'image-url'. Did you mean 'image_url'?")
    assert "There are: id, title, image_url." in said


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(InputError, match="no column '9'"):
        chosen("id url", columns=("9",))


def test_two_columns_with_the_same_name_are_an_error() -> None:
    with pytest.raises(InputError, match=r"two columns have the name 'a' \(number 1 and 3\)"):
        parse_header("shop.csv line 1", ["a", "b", "a"])


def test_columns_without_a_name_get_their_number() -> None:
    assert parse_header("x", ["", " id ", "url"]) == ["1", "id", "url"]


def test_the_columns_of_failures_are_not_kept_unless_chosen() -> None:
    names = "id url title final_url kind http_status message attempts last_try"
    assert chosen(names).fields == {"title": 2}
    assert chosen(names, columns=("kind",)).fields == {"kind": 4}
