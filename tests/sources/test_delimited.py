"""CSV and TSV: delimiters, headers, quoting, rows of the wrong length."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vecsim.errors import InputError, UsageError
from vecsim.records import ImageRef
from vecsim.sources import SourceOptions, read_source

URL = "https://shop.example/1.jpg"


def refs(folder: Path, text: str, name: str = "shop.csv", **options: object) -> list[ImageRef]:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return list(read_source(path, SourceOptions(**options)))  # type: ignore[arg-type]


def message(folder: Path, text: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        refs(folder, text, **options)
    return str(caught.value)


def test_rows_become_references_with_their_fields(tmp_path: Path) -> None:
    found = refs(tmp_path, f"id,title,url,price\n7,Shoe,{URL},12.50\n")
    assert found == [
        ImageRef("7", URL, {"title": "Shoe", "price": "12.50"}, f"{tmp_path / 'shop.csv'} line 2")
    ]


def test_the_location_names_the_file_as_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.csv").write_text(f"url\n{URL}\n")
    assert [ref.location for ref in read_source("shop.csv")] == ["shop.csv line 2"]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_the_delimiter_is_detected(tmp_path: Path, delimiter: str, header: bool) -> None:
    rows = [["id", "title", "url"]] if header else []
    rows += [[str(n), "a, b; c | d", f"https://x.example/{n},w_3;h=4|5.jpg"] for n in range(3)]
    path = tmp_path / "shop.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    found = list(read_source(path, SourceOptions(header=header)))
    assert [(ref.id, ref.url) for ref in found] == [(row[0], row[2]) for row in rows[-3:]]
    assert [list(ref.fields.values()) for ref in found] == [["a, b; c | d"]] * 3


def test_a_list_of_urls_alone_has_no_delimiter(tmp_path: Path) -> None:
    urls = ["https://x.example/w_300,h_200/a.jpg", "https://x.example/b;c|d,e.jpg"]
    found = refs(tmp_path, "url\n" + "\n".join(urls))
    assert [(ref.id, ref.url) for ref in found] == [(url, url) for url in urls]


def test_a_field_with_other_delimiters_does_not_mislead_the_detection(tmp_path: Path) -> None:
    text = f"1,a|b|c|d,{URL}\n2,e|f|g|h,{URL}\n"
    assert [ref.id for ref in refs(tmp_path, text, header=False)] == ["1", "2"]


@pytest.mark.parametrize("spelled", ["\t", "\\t", "tab"])
def test_a_given_delimiter_is_used(tmp_path: Path, spelled: str) -> None:
    found = refs(tmp_path, f"id\turl\n1,2\t{URL}\n", delimiter=spelled)
    assert (found[0].id, found[0].url) == ("1,2", URL)


@pytest.mark.parametrize("wrong", ["", "::", '"', "\n"])
def test_an_impossible_delimiter_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="one character"):
        SourceOptions(delimiter=wrong)


def test_a_field_of_several_lines_keeps_physical_line_numbers(tmp_path: Path) -> None:
    text = f'id,title,url\n1,"two\nlines, ""quoted""",{URL}\n\n2,x,{URL}\n'
    found = refs(tmp_path, text)
    assert found[0].fields == {"title": 'two\nlines, "quoted"'}
    assert [ref.location.rsplit(" ", 1)[1] for ref in found] == ["2", "5"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_kind_of_line_end(tmp_path: Path, end: str) -> None:
    found = refs(tmp_path, end.join(["id,url", f"1,{URL}", f"2,{URL}"]))
    assert [ref.location.rsplit(" ", 1)[1] for ref in found] == ["2", "3"]
    assert [ref.url for ref in found] == [URL, URL]


def test_paths_are_relative_to_the_folder_of_the_list(tmp_path: Path) -> None:
    cells = ["a.jpg", "sub/../b.jpg", "../c.jpg", "/abs/d.jpg", "file:///e.jpg", "ftp://x/f.jpg"]
    (tmp_path / "lists").mkdir()
    found = refs(tmp_path / "lists", "url\n" + "\n".join(cells))
    here = tmp_path.resolve()
    assert [ref.url for ref in found] == [
        str(here / "lists/a.jpg"),
        str(here / "lists/b.jpg"),
        str(here / "c.jpg"),
        "/abs/d.jpg",
        "file:///e.jpg",
        "ftp://x/f.jpg",
    ]


def test_an_empty_id_or_url_does_not_end_the_run(tmp_path: Path) -> None:
    found = refs(tmp_path, f"id,title,url\n1,no url,\n,no id,{URL}\n,neither,  \n , ,\n,,,,\n\n")
    assert [(ref.id, ref.url) for ref in found] == [("1", ""), (URL, URL), ("shop.csv line 4", "")]


def test_urls_are_stripped_and_ids_are_not(tmp_path: Path) -> None:
    found = refs(tmp_path, f"id, url\n 1, {URL} \n")
    assert (found[0].id, found[0].url) == (" 1", URL)


def test_a_header_alone_lists_no_images(tmp_path: Path) -> None:
    assert refs(tmp_path, "id,url\n") == []
    assert refs(tmp_path, "id,url") == []


@pytest.mark.parametrize("row", ["1", f"1,Shoe,{URL},more"])
def test_a_row_of_the_wrong_length_is_an_error(tmp_path: Path, row: str) -> None:
    said = message(tmp_path, f"id,title,url\n1,Shoe,{URL}\n{row}\n")
    assert "shop.csv line 3" in said
    assert "where the first row has 3" in said
    assert "SourceOptions(delimiter=...)" in said


def test_an_unclosed_quote_is_reported_where_it_opens(tmp_path: Path) -> None:
    said = message(tmp_path, f'id,title,url\n1,x,{URL}\n2,"Shoe,{URL}\n3,y,{URL}\n')
    assert "shop.csv line 3: a quote is opened in this row and never closed" in said


def test_an_unclosed_quote_in_a_long_file_is_reported_where_it_opens(tmp_path: Path) -> None:
    rows = f"2,x,{URL}\n" * 10_000
    said = message(tmp_path, f'id,title,url\n1,"Shoe,{URL}\n{rows}')
    assert "line 2" in said
    assert "never closed" in said


def test_text_after_a_closing_quote_is_an_error(tmp_path: Path) -> None:
    said = message(tmp_path, f'id,title,url\n1,"5" disc",{URL}\n')
    assert "line 2: broken quoting" in said
    assert "written twice" in said


def test_data_in_place_of_a_header_is_an_error(tmp_path: Path) -> None:
    said = message(tmp_path, f"1\t{URL}\n2\t{URL}\n")
    assert "line 1 should name the columns" in said
    assert "SourceOptions(header=False)" in said


def test_one_column_without_a_header_is_id_and_url(tmp_path: Path) -> None:
    found = refs(tmp_path, f"{URL}\n{URL}?2\n", header=False)
    assert [(ref.id, ref.url) for ref in found] == [(URL, URL), (f"{URL}?2", f"{URL}?2")]
