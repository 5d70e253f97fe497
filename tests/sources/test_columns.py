"""Which column means what."""

from __future__ import annotations

import pytest

from vecsim.errors import InputError
from vecsim.sources.columns import (
    ColumnLayout,
    SourceOptions,
    choose_columns,
    number_columns,
    parse_header,
)


def chosen(names: str, **options: object) -> ColumnLayout:
    return choose_columns(names.split(), SourceOptions(**options), "shop.csv line 1")  # type: ignore[arg-type]


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
def test_defaults(names: str, id_: int | None, url: int) -> None:
    layout = chosen(names)
    assert (layout.id, layout.url) == (id_, url)


@pytest.mark.parametrize(("count", "id_", "url"), [(1, None, 0), (2, 0, 1), (4, 0, 3)])
def test_without_header(count: int, id_: int | None, url: int) -> None:
    layout = choose_columns(number_columns(count), SourceOptions(header=False), "x line 1")
    assert (layout.id, layout.url) == (id_, url)


def test_named_and_numbered_columns() -> None:
    assert chosen("a b c", id_column="c", url_column="1") == ColumnLayout(2, 0, {"b": 1})
    assert chosen("1 2 3", header=False, id_column="3") == ColumnLayout(2, 1, {"1": 0})
    assert chosen("2 1", url_column="2").url == 0, "a name comes before a number"


def test_columns_chosen() -> None:
    assert chosen("id a b url", columns=("b", "a")).fields == {"b": 2, "a": 1}
    assert chosen("id a b url", columns=()).fields == {}
    assert chosen("id a b url", columns=("id", "b", "url")).fields == {"b": 2}


def test_id_and_url_in_one_column() -> None:
    assert chosen("a b", id_column="b", url_column="b") == ColumnLayout(None, 1, {"a": 0})


@pytest.mark.parametrize("option", ["id_column", "url_column"])
def test_no_such_column(option: str) -> None:
    with pytest.raises(InputError) as caught:
        chosen("id title image_url", **{option: "image-url"})
    said = str(caught.value)
    assert said.startswith("shop.csv line 1: no column 'image-url'. Did you mean 'image_url'?")
    assert "There are: id, title, image_url." in said


def test_no_such_carried_column() -> None:
    with pytest.raises(InputError, match="no column '9'"):
        chosen("id url", columns=("9",))


def test_two_columns_of_one_name() -> None:
    with pytest.raises(InputError, match=r"two columns have the name 'a' \(number 1 and 3\)"):
        parse_header("shop.csv line 1", ["a", "b", "a"])


def test_nameless_columns_are_numbered() -> None:
    assert parse_header("x", ["", " id ", "url"]) == ["1", "id", "url"]


def test_diagnosis_of_failures_is_not_carried() -> None:
    names = "id url title final_url kind http_status message attempts last_try"
    assert chosen(names).fields == {"title": 2}
    assert chosen(names, columns=("kind",)).fields == {"kind": 4}
