"""Tables as sources of the library: pandas, Polars, Arrow and what hands out Arrow's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vecsim import Index
from vecsim.errors import InputError, UsageError

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
COLUMNS: dict[str, list[Any]] = {
    "sku": [11, 12, 13],
    "title": ["one", None, "three"],
    "photo": [str(PICTURES / f"{n}.jpg") for n in (1, 2, 3)],
    "price": [1.5, 2.5, None],
}


class Stream:
    """A table that is known by Arrow's interface alone, and can be read once."""

    def __init__(self, table: Any) -> None:
        self._reader = table.to_reader()
        self.schema = table.schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


def table(kind: str, columns: dict[str, list[Any]]) -> Any:
    library = pytest.importorskip("pyarrow" if kind == "stream" else kind)
    if kind == "pandas":
        return library.DataFrame(columns)
    if kind == "polars":
        return library.DataFrame(columns)
    made = library.table(columns)
    return Stream(made) if kind == "stream" else made


KINDS = pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "stream"])


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", model="phash")


@KINDS
def test_the_columns_of_a_table_are_named_or_found(index: Index, kind: str) -> None:
    report = index.add(table(kind, COLUMNS), id="sku", columns=["title", "price"])

    assert report.added == 3
    assert [ref.id for ref in index] == ["11", "12", "13"]
    assert [dict(ref.fields) for ref in index] == [
        {"title": "one", "price": "1.5"},
        {"title": "", "price": "2.5"},
        {"title": "three", "price": ""},
    ]
    assert index.add(table(kind, COLUMNS), id="sku", url="photo").skipped == 3
    found = index.query(table(kind, COLUMNS), id="sku", url="photo", threshold=1)
    for _ in range(2):
        assert [(m.query_id, m.reference_id) for m in found] == [
            (sku, sku) for sku in ("11", "12", "13")
        ]


@KINDS
def test_a_table_may_hold_the_pictures(index: Index, kind: str) -> None:
    files = [(PICTURES / f"{n}.jpg").read_bytes() for n in (1, 2)]
    columns = {"id": ["a", "b", "c"], "shot": [*files, None]}

    report = index.add(table(kind, columns))

    assert (report.added, report.failed) == (2, 1)
    assert [ref.id for ref in index] == ["a", "b"]
    assert index.failures[0].message == "the row has no picture"
    asked = table(kind, {"id": ["q"], "other": ["x"], "shot": files[:1]})
    assert index.query(asked, image="shot", top_k=1).to_numpy().tolist() == [("q", "a", 1.0, "0")]


def test_a_pandas_column_may_hold_pillow_images_and_dicts_with_bytes(index: Index) -> None:
    pandas = pytest.importorskip("pandas")
    data = (PICTURES / "2.jpg").read_bytes()
    with Image.open(PICTURES / "1.jpg") as image:
        index.add(pandas.DataFrame({"picture": [image], "size": [3]}))
    index.add(pandas.DataFrame({"image": [{"bytes": data, "path": None}], "id": [5]}))

    assert len(index) == 2
    assert [dict(ref.fields) for ref in index] == [{"size": "3"}, {}]
    assert "5" in index


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_single_column_is_a_list_of_images(index: Index, kind: str) -> None:
    column = table(kind, COLUMNS)["photo"]

    assert index.add(column, ids=COLUMNS["sku"]).added == 3
    assert "12" in index


def test_a_lazy_frame_is_collected(index: Index) -> None:
    polars = pytest.importorskip("polars")

    assert index.add(polars.LazyFrame(COLUMNS), id="sku").added == 3


def test_wrong_columns_are_refused_with_one_error(index: Index) -> None:
    frame = table("pyarrow", COLUMNS)
    with pytest.raises(InputError, match=r"no column 'foto'. Did you mean 'photo'\?"):
        index.add(frame, url="foto")
    with pytest.raises(InputError, match="no column 'nr'"):
        index.add(frame, id="nr")
    with pytest.raises(InputError, match="does not look like URLs"):
        index.add(table("pyarrow", {"a": ["x"], "b": ["y"]}))
    with pytest.raises(UsageError, match="column of ids"):
        index.add(frame, ids=["1", "2", "3"])
    with pytest.raises(UsageError, match="no table"):
        index.add([PICTURES / "1.jpg"], url="photo")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="name of a column"):
        index.add(frame, id=3)
    assert len(index) == 0


def test_columns_of_a_list_are_named_in_the_same_way(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(f"sku,front,back\n1,{PICTURES / '1.jpg'},{PICTURES / '2.jpg'}\n")

    index.add(path, id="sku", url=["front", "back"])

    assert [ref.id for ref in index] == ["1", "1#2"]
    assert np.isfinite(index.snapshot.vectors_of(index.snapshot.keys())).all()
