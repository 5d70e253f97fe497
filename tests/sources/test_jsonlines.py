"""JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vecsim.errors import InputError
from vecsim.records import ImageRef, UnusableRef
from vecsim.sources import SourceOptions, read_source

URL = "https://shop.example/1.jpg"


def refs(folder: Path, text: str, name: str = "shop.jsonl", **options: object) -> list[ImageRef]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return list(read_source(path, SourceOptions(**options)))  # type: ignore[arg-type]


def test_values_become_text_and_keep_their_spelling(tmp_path: Path) -> None:
    line = (
        '{"id": 12345678901234567890, "url": "a.jpg", "price": 1.10, "sale": true, "note": null,'
        ' "tags": ["a", 1.5], "big": 1e400, "nan": NaN,'
        ' "title": "Gr\\u00fc\\u00dfe \\ud83d\\ude00"}'
    )
    (ref,) = refs(tmp_path, f"\n{line}\n\n")
    assert ref.id == "12345678901234567890"
    assert ref.url == str(tmp_path.resolve() / "a.jpg")
    assert ref.location.endswith("shop.jsonl line 2")
    assert ref.fields == {
        "price": "1.10",
        "sale": "true",
        "note": "",
        "tags": '["a", 1.5]',
        "big": "1e400",
        "nan": "NaN",
        "title": "Grüße 😀",
    }


def test_keys_may_be_missing(tmp_path: Path) -> None:
    text = f'{{"url": "{URL}"}}\n{{"id": 2, "url": "{URL}", "title": "x"}}\n{{"id": 3}}\n'
    found = refs(tmp_path, text)
    assert [(ref.id, ref.url) for ref in found] == [(URL, URL), ("2", URL), ("3", "")]
    assert [dict(ref.fields) for ref in found] == [{}, {"title": "x"}, {}]


def test_columns_are_chosen_by_key(tmp_path: Path) -> None:
    text = f'{{"sku": "7", "image": "{URL}", "a": "1", "b": "2"}}\n'
    (ref,) = refs(tmp_path, text, id_column="sku", url_column="image", columns=("b",))
    assert (ref.id, ref.url, dict(ref.fields)) == ("7", URL, {"b": "2"})


def test_the_header_option_has_no_effect(tmp_path: Path) -> None:
    (ref,) = refs(tmp_path, f'{{"title": "x", "url": "{URL}", "z": "1"}}\n', header=False)
    assert (ref.id, ref.url) == (URL, URL)


def test_the_keys_of_failures_are_not_kept(tmp_path: Path) -> None:
    text = (
        f'{{"id": "1", "url": "{URL}", "title": "x", "final_url": null, '
        '"kind": "http", "http_status": 404, '
        '"message": "gone", "attempts": 1, "last_try": "2026-01-01"}\n'
    ) * 2
    assert [dict(ref.fields) for ref in refs(tmp_path, text)] == [{"title": "x"}] * 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1, 2]", "no JSON object"),
        ('[{"url": "x"},', "no JSON object"),
        ("12", "no JSON object"),
        ('"text"', "no JSON object"),
        ('{"url": ', "no JSON object"),
        ('{"url": "x"} {"url": "y"}', "no JSON object"),
        ('{"url": "\\ud83d"}', "half a character"),
        ('{"\\uDE00": "x"}', "half a character"),
        ('{"url": "a\\u0000b"}', "a NUL character"),
        ('{"a": ' + "[" * 100_000, "no JSON object"),
        ('{"a": ' + "[" * 985 + "]" * 985 + "}", ""),
    ],
)
def test_a_line_that_is_no_object_or_cannot_be_stored_does_not_end_the_list(
    tmp_path: Path, line: str, said: str
) -> None:
    first, second, third = refs(tmp_path, f'{{"url": "{URL}"}}\n{line}\n{{"url": "{URL}?3"}}\n')
    assert (first.url, third.url) == (URL, f"{URL}?3")
    assert isinstance(second, UnusableRef)
    assert second.id == "shop.jsonl line 2"
    assert said in second.message


def test_a_file_without_any_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: no JSON object"):
        refs(tmp_path, "no\njson\n")


def test_an_empty_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the object is empty"):
        refs(tmp_path, "{}\n")


def test_a_missing_key_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'sku'"):
        refs(tmp_path, f'{{"url": "{URL}"}}\n', id_column="sku")


def test_json_lines_are_detected_where_the_suffix_is_unknown(tmp_path: Path) -> None:
    (ref,) = refs(tmp_path, f' {{"id": "1", "url": "{URL}"}}\n', name="shop.list")
    assert (ref.id, ref.url) == ("1", URL)


ARRAY = f'''
[
  {{"id": 1.10, "url": "{URL}"}},
  {{"url": "a.jpg", "tags": ["]", {{"x": "}}"}}]}},
  12,
  {{"id": "3", "url": "b.jpg"}}
]
'''


def test_a_json_array_is_read(tmp_path: Path) -> None:
    first, second, third, fourth = refs(tmp_path, ARRAY, name="shop.json")
    assert (first.id, first.url, first.location[-6:]) == ("1.10", URL, "line 3")
    assert second.fields == {"tags": '["]", {"x": "}"}]'}
    assert isinstance(third, UnusableRef)
    assert (fourth.id, fourth.location[-6:]) == ("3", "line 6")


def test_a_long_json_array_in_one_line_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"id": str(n), "url": f"{URL}?{n}", "text": "x" * 100} for n in range(5_000)]
    found = refs(tmp_path, json.dumps(rows), name="shop.json")
    assert [ref.id for ref in found] == [str(n) for n in range(5_000)]


def test_a_cut_json_array_keeps_what_was_read(tmp_path: Path) -> None:
    *found, last = refs(tmp_path, ARRAY[: ARRAY.index("b.jpg")], name="shop.json")
    assert len(found) == 3
    assert isinstance(last, UnusableRef)
    assert "the list ends here" in last.message


def test_a_column_under_each_key_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a column under each key"):
        refs(tmp_path, '{"id": {"0": 1}, "url": {"0": "a.jpg"}}', name="shop.json")
