"""The CSV files of the predecessor are read unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecsim.sources import SourceOptions, read_source

HOST = "https://raw.githubusercontent.com/ryanfwy/image_similarity/master/demo"


@pytest.mark.parametrize(
    ("name", "header", "ids"),
    [
        ("test1.csv", True, "123456"),
        ("test2.csv", True, "345"),
        ("_test1_fields.csv", False, "123456"),
        ("_test2_fields.csv", False, "345"),
    ],
)
def test_the_lists_of_the_predecessor(shared: Path, name: str, header: bool, ids: str) -> None:
    found = list(read_source(shared / "seed-demo" / name, SourceOptions(header=header)))
    assert [(ref.id, ref.url) for ref in found] == [(id_, f"{HOST}/{id_}.jpg") for id_ in ids]


def test_the_result_of_the_predecessor_as_a_list(shared: Path) -> None:
    options = SourceOptions(id_column="test1_id", url_column="test1_url")
    found = list(read_source(shared / "seed-demo" / "result_similarity_mobilenet075.csv", options))
    assert [ref.id for ref in found] == list("123456")
    assert found[0].fields["similarity"] == "0.93384"
