"""CSV and TSV: delimiters, headers, quoting, rows of the wrong length."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from vecsim.errors import InputError, UsageError
from vecsim.records import ImageRef, UnusableRef
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


@pytest.mark.parametrize("price", ["1,99", "1.299,00", "-0,5"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_decimal_comma_is_no_delimiter(tmp_path: Path, price: str, count: int) -> None:
    urls = [f"https://x.example/p/{n}?w=3" for n in range(count)]
    found = refs(tmp_path, "".join(f"{url};{price}\n" for url in urls))
    assert [(ref.url, list(ref.fields.values())) for ref in found] == [(u, [price]) for u in urls]


@pytest.mark.parametrize("count", [1, 3])
def test_lines_of_one_field_do_not_mislead_the_detection(tmp_path: Path, count: int) -> None:
    html = '<a href=""https://x.example/size"">sizes</a>'
    row = f'{URL};red, blue;"two\nlines, ""quoted""";"{html}"\n'
    assert [ref.url for ref in refs(tmp_path, row * count)] == [URL] * count


def test_counts_between_commas_are_no_decimals(tmp_path: Path) -> None:
    found = refs(tmp_path, "https://x.example/p/0?w=3,shoes;men,7,9\n")
    assert [ref.url for ref in found] == ["https://x.example/p/0?w=3"]


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


def usable(found: list[ImageRef]) -> list[str]:
    return [ref.id for ref in found if not isinstance(ref, UnusableRef)]


def unusable(found: list[ImageRef]) -> dict[str, str]:
    return {ref.id: ref.message for ref in found if isinstance(ref, UnusableRef)}


@pytest.mark.parametrize("row", ["1", f"1,Shoe,{URL},more"])
def test_a_row_of_the_wrong_length_does_not_end_the_list(tmp_path: Path, row: str) -> None:
    found = refs(tmp_path, f"id,title,url\n1,Shoe,{URL}\n{row}\n3,Hat,{URL}\n")
    assert usable(found) == ["1", "3"]
    (problem,) = unusable(found).items()
    assert problem[0] == "shop.csv line 3"
    assert "where the first row has 3" in problem[1]


def test_rows_of_another_length_than_the_header_throughout_are_an_error(tmp_path: Path) -> None:
    said = message(tmp_path, f"id,url\n1,Shoe,{URL}\n2,Hat,{URL}\n")
    assert "shop.csv line 2: 3 fields where the first row has 2" in said
    assert "SourceOptions(delimiter=...)" in said


def test_empty_cells_at_the_end_of_a_row_do_not_matter(tmp_path: Path) -> None:
    found = refs(tmp_path, f"id,url,title,price\n1,{URL},Shoe,1,,\n2,{URL}\n3,{URL},Hat\n")
    assert [ref.fields for ref in found] == [
        {"title": "Shoe", "price": "1"},
        {"title": "", "price": ""},
        {"title": "Hat", "price": ""},
    ]


def test_an_unclosed_quote_costs_its_own_row_only(tmp_path: Path) -> None:
    found = refs(tmp_path, f'id,url,title\n1,{URL},x\n2,"{URL},Shoe\n3,{URL},y\n')
    assert usable(found) == ["1", "3"]
    assert "never closed" in unusable(found)["shop.csv line 3"]


def test_a_quote_that_opens_nothing_is_a_plain_character(tmp_path: Path) -> None:
    found = refs(tmp_path, f'id,title,url\n1,"Shoe,{URL}\n2,5" disc,{URL}\n3,"5" disc",{URL}\n')
    assert [ref.fields["title"] for ref in found] == ['"Shoe', '5" disc', '"5" disc"']


def test_rows_between_two_stray_quotes_are_not_taken_for_one_field(tmp_path: Path) -> None:
    rows = "".join(f"{n},{URL},Hat\n" for n in range(2, 50))
    found = refs(tmp_path, f'id,url,title\n1,{URL},"best\n{rows}50,{URL},of all"\n')
    assert usable(found) == [str(n) for n in range(1, 51)]
    assert [ref.location.rsplit(" ", 1)[1] for ref in found] == [str(n) for n in range(2, 52)]


def test_lines_of_one_field_that_resemble_rows_are_none(tmp_path: Path) -> None:
    text = "url,sizes,text,file\n" + f'{URL},"[1, 2]","two\nlines, ""quoted""",shoe.jpg,\n' * 3
    assert [ref.url for ref in refs(tmp_path, text)] == [URL] * 3


def test_an_unclosed_quote_in_a_long_list_costs_its_own_row_only(tmp_path: Path) -> None:
    rows = f"2,x,{URL}\n" * 10_000
    found = refs(tmp_path, f'id,title,url\n1,Shoe,"{URL}\n{rows}')
    assert len(usable(found)) == 10_000
    assert list(unusable(found)) == ["shop.csv line 2"]


def test_a_list_of_unclosed_quotes_is_read_in_linear_time(tmp_path: Path) -> None:
    rows = "".join(f'{n},"x,{URL}\n' for n in range(20_000))
    start = time.process_time()
    found = refs(tmp_path, f"id,title,url\n0,x,{URL}\n{rows}")
    assert len(found) == 20_001
    assert time.process_time() - start < 10


def test_quotes_of_a_tab_separated_list_may_be_plain_characters(tmp_path: Path) -> None:
    text = f'id\turl\ttitle\n1\t{URL}\t5" disc\n2\t{URL}\t"Fine" art\n3\t{URL}\t"open\n'
    found = refs(tmp_path, text, name="shop.tsv")
    assert [ref.fields["title"] for ref in found] == ['5" disc', '"Fine" art', '"open']


def test_quoting_can_be_chosen(tmp_path: Path) -> None:
    text = f'id,title,url\n1,"Shoe",{URL}\n'
    assert refs(tmp_path, text, quoting="none")[0].fields == {"title": '"Shoe"'}
    assert refs(tmp_path, text, quoting="csv")[0].fields == {"title": "Shoe"}
    with pytest.raises(UsageError, match="choose one of auto, csv, none"):
        SourceOptions(quoting="off")


def test_a_long_field_is_read(tmp_path: Path) -> None:
    (ref,) = refs(tmp_path, f'id,title,url\n1,"{"x" * 1_000_000}",{URL}\n')
    assert len(ref.fields["title"]) == 1_000_000


@pytest.mark.parametrize("count", [16_385, 200_000])
def test_a_list_of_too_many_columns_is_refused_at_once(tmp_path: Path, count: int) -> None:
    row = ",".join(f"c{n}" for n in range(count)) + "\n"
    start = time.process_time()
    said = message(tmp_path, row * 2)
    assert f"{count:,} columns; at most 16,384 are read" in said
    assert time.process_time() - start < 3


@pytest.mark.ci
def test_a_list_of_many_columns_is_read_in_linear_time(tmp_path: Path) -> None:
    names = [*(f"c{n}" for n in range(16_000)), "url"]
    cells = [*(str(n) for n in range(16_000)), URL]
    start = time.process_time()
    found = refs(tmp_path, ",".join(names) + "\n" + (",".join(cells) + "\n") * 20)
    assert [ref.url for ref in found] == [URL] * 20
    assert time.process_time() - start < 5


def test_a_first_row_that_lists_an_image_is_no_header(tmp_path: Path) -> None:
    found = refs(tmp_path, f"1\t{URL}\n2\t{URL}\n")
    assert [(ref.id, ref.url) for ref in found] == [("1", URL), ("2", URL)]


def test_a_header_may_hold_urls(tmp_path: Path) -> None:
    text = f"https://schema.org/sku,https://schema.org/image\n7,{URL}\n8,{URL}\n"
    found = refs(tmp_path, text, id_column="https://schema.org/sku")
    assert [(ref.id, ref.url) for ref in found] == [("7", URL), ("8", URL)]


@pytest.mark.parametrize("above", ["sep=;\n", '"sep=;"\r\n', "# exported 2026\n", "\n\n"])
def test_lines_above_the_header_are_skipped(tmp_path: Path, above: str) -> None:
    (ref,) = refs(tmp_path, f"{above}id;url;title\n1;{URL};a, b\n")
    assert (ref.id, ref.fields) == ("1", {"title": "a, b"})
    line = 2 + len(above.splitlines()) - 1 + 1
    assert ref.location.endswith(f"line {line}")


def test_a_header_that_begins_with_a_number_sign_is_no_comment(tmp_path: Path) -> None:
    (ref,) = refs(tmp_path, f"#id,url\n1,{URL}\n", id_column="#id")
    assert ref.id == "1"


def test_one_column_without_a_header_is_id_and_url(tmp_path: Path) -> None:
    found = refs(tmp_path, f"{URL}\n{URL}?2\n", header=False)
    assert [(ref.id, ref.url) for ref in found] == [(URL, URL), (f"{URL}?2", f"{URL}?2")]
