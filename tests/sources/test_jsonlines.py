"""JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecsim.errors import InputError
from vecsim.records import ImageRef
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
        ("[1, 2]", "line 2 begins an array"),
        ('[{"url": "x"},', "jq -c"),
        ("12", "line 2 is not a JSON object"),
        ('"text"', "line 2 is not a JSON object"),
        ('{"url": ', "line 2 is not a JSON object"),
        ('{"url": "x"} {"url": "y"}', "line 2 is not a JSON object"),
        ('{"url": "\\ud83d"}', "half a character"),
        ('{"\\uDE00": "x"}', "half a character"),
        ('{"url": "a\\u0000b"}', "a NUL character"),
        ('{"a": ' + "[" * 100_000, "line 2 is not a JSON object"),
    ],
)
def test_lines_that_are_not_objects_or_cannot_be_stored_are_errors(
    tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        refs(tmp_path, f'{{"url": "{URL}"}}\n{line}\n')
    assert said in str(caught.value)
    assert "shop.jsonl line 2" in str(caught.value)


def test_an_empty_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the object is empty"):
        refs(tmp_path, "{}\n")


def test_a_missing_key_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'sku'"):
        refs(tmp_path, f'{{"url": "{URL}"}}\n', id_column="sku")


def test_json_lines_are_detected_where_the_suffix_is_unknown(tmp_path: Path) -> None:
    (ref,) = refs(tmp_path, f' {{"id": "1", "url": "{URL}"}}\n', name="shop.list")
    assert (ref.id, ref.url) == ("1", URL)


def test_a_json_array_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="begins an array"):
        refs(tmp_path, f'[{{"id": "1",\n "url": "{URL}"}}]\n', name="shop.json")
