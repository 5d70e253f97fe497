"""Tables for a terminal, and the matrix of scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.render import format_matrix, open_writer, write_rows
from vecsim.render.table import cell_width, column_widths, common_folder, shorten
from vecsim.results import Match

QUERY = "https://raw.githubusercontent.com/someone/pictures/master/demo/{}.jpg"
REFERENCE = "https://cdn.shop.example.com/products/large/2024/{}/front-view.webp"


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def matches(count: int) -> list[Match]:
    fields = {"title": "Leather shoe", "price": "12.50"}
    return [
        Match(str(n), QUERY.format(n), f"sku-{n}", REFERENCE.format(n), 0.9, fields, fields)
        for n in range(count)
    ]


def test_long_urls_are_shortened_to_fit_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer("table") as writer:
        writer.write_many(matches(2))
    assert capsys.readouterr().out.splitlines() == [
        "query_url in https://raw.githubusercontent.com/someone/pictures/master/demo/",
        "reference_url in https://cdn.shop.example.com/products/large/2024/",
        "query_id  query_url  reference_id  reference_url         score",
        "────────  ─────────  ────────────  ─────────────────  ────────",
        "0         0.jpg      sku-0         0/front-view.webp  0.900000",
        "1         1.jpg      sku-1         1/front-view.webp  0.900000",
    ]


def test_lines_fit_the_terminal_and_scores_are_never_shortened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_writer("table", query_fields=["title"], reference_fields=["price"]) as writer:
        writer.write_many(matches(500))  # more than the rows that determine the widths
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 + 500 + 2
    assert all(cell_width(line) <= 80 for line in lines[2:504])
    assert all(line.endswith("0.900000  Leather shoe") for line in lines[4:504])
    assert lines[4].split()[0] == "0"
    assert lines[503].split()[0] == "499"
    assert lines[-1].startswith("Columns that do not fit")
    assert lines[-1].endswith("reference_price")


def test_carried_fields_are_shown_on_a_wide_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "210")
    with open_writer("table", query_fields=["title"], reference_fields=["price"]) as writer:
        writer.write_many(matches(1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-2:] == ["query_title", "reference_price"]
    assert QUERY.format(0) in lines[2]
    assert len(lines) == 3


def test_long_urls_of_several_hosts_are_shortened_to_fit_eighty_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_writer("table") as writer:
        writer.write_many(
            replace(match, query_url=f"ftp{match.query_url}", reference_url=f"s3{QUERY}")
            if match.query_id == "1"
            else match
            for match in matches(2)
        )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(
        "0         raw.githu…r/demo/0.jpg  sku-0         cdn.shop.…nt-view.webp"
    )
    assert all(cell_width(line) <= 80 for line in lines)


def test_the_best_matches_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    scores = [0.9, -0.25, 1.0, 0.95, 0.9]
    with open_writer("table") as writer:
        writer.write_many(Match(str(n), "", "x", "", s) for n, s in enumerate(scores))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["2", "3", "0", "4", "1"]
    assert [float(row[-1]) for row in rows] == [1.0, 0.95, 0.9, 0.9, -0.25]


def test_more_rows_than_are_sorted_come_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.render.table.MAX_SORTED", 3)
    with open_writer("table") as writer:
        writer.write_many(Match(str(n), "", "x", "", n / 10) for n in range(5))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 rows or more, in the order found:"
    assert [line.split()[0] for line in lines[3:]] == ["0", "1", "2", "3", "4"]


def test_a_table_that_fits_shows_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer("table") as writer:
        writer.write(Match("/pics/1.jpg", "/pics/1.jpg", "/pics/2.jpg", "/pics/2.jpg", 1.0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["/pics/1.jpg", "=", "id", "/pics/2.jpg", "=", "id", "1.000000"]


def test_a_common_folder_is_written_once_and_urls_that_are_ids_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = "/home/anna/Pictures/a folder with a long name/"
    names = [f"{folder}{n}.jpg" for n in (1, 2, 30)]
    with open_writer("table") as writer:
        writer.write(Match(names[0], names[0], names[1], names[1], 1.0))
        writer.write(Match(names[0], names[0], names[2], names[2], 0.9))
    assert capsys.readouterr().out.splitlines() == [
        f"query_id, reference_id in {folder}",
        "query_id  reference_id     score",
        "────────  ────────────  ────────",
        "1.jpg     2.jpg         1.000000",
        "1.jpg     30.jpg        0.900000",
    ]


def test_rows_behind_the_first_ones_that_differ_are_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.render.table.MAX_SORTED", 2)
    place = "/home/anna/Pictures/a folder with a long name/{}.jpg"
    with open_writer("table") as writer:
        for n in (1, 2):
            writer.write(Match(place.format(n), place.format(n), "x", "x", 1.0))
        writer.write(Match("/tmp/3.jpg", "/srv/3.jpg", "x", "x", 1.0))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["1.jpg", "2.jpg", "/tm….jpg"]
    assert lines[-1] == "Columns that do not fit (the format csv has them): query_url"


@given(st.lists(st.text("/ab", max_size=8), max_size=6))
def test_a_common_folder_is_the_beginning_of_all_names(names: list[str]) -> None:
    folder = common_folder(names)
    assert all(name.startswith(folder) for name in names)
    assert folder == "" or (folder.endswith("/") and len(folder) > 1)


def test_a_url_equal_to_its_id_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer("table") as writer:
        writer.write(Match("/pics/1.jpg", "/pics/1.jpg", "2", "/pics/2.jpg", 1.0))
    assert capsys.readouterr().out.splitlines()[2].split("  ")[1].strip() == "= id"


def test_control_characters_in_cells_are_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_rows(["a", "b"], [("two\nlines", "\x1b[31mred\x9b\u2028")], "table")
    lines = capsys.readouterr().out.split("\n")
    assert lines[2:] == ["two lines  ·[31mred··", ""]


def test_an_empty_table_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(["a", "bcd"], [], "table")
    assert capsys.readouterr().out == "a  bcd\n─  ───\n"


def test_east_asian_characters_take_two_cells(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(["a", "b"], [("鞋子", "x"), ("shoe", "y")], "table")
    assert capsys.readouterr().out.splitlines()[2:] == ["鞋子  x", "shoe  y"]


@given(st.text(max_size=60), st.integers(4, 40))
@pytest.mark.ci
def test_shortened_text_fits(text: str, width: int) -> None:
    cut = shorten(text, width)
    assert cell_width(cut) <= width
    assert cut == text or cell_width(text) > width


def test_shortening_removes_the_scheme_then_the_middle() -> None:
    assert shorten("https://shop.example/a.jpg", 40) == "https://shop.example/a.jpg"
    assert shorten("https://shop.example/a.jpg", 18) == "shop.example/a.jpg"
    assert shorten("https://shop.example/pictures/a.jpg", 14) == "shop.e…s/a.jpg"


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1), st.integers(20, 200))
def test_column_widths_fit_and_fixed_columns_keep_theirs(
    columns: list[tuple[int, bool]], available: int
) -> None:
    natural = [width for width, _ in columns]
    fixed = [keep for _, keep in columns]
    widths = column_widths(natural, fixed, available)
    shown = len(widths)
    assert shown >= min(len(columns), 5)
    assert all(new <= old for new, old in zip(widths, natural, strict=False))
    assert all(new == old for new, old, keep in zip(widths, natural, fixed, strict=False) if keep)
    if shown > 5:
        assert sum(widths) + 2 * (shown - 1) <= available


def test_a_matrix_marks_scores_at_the_threshold() -> None:
    scores = np.array([[0.9338396, -0.0], [1.0, 0.845]])
    assert format_matrix(["1", "22"], ["3", "a-long-id"], scores, threshold=0.845).split("\n") == [
        "            3  a-long-id",
        " 1  0.933840*  0.000000",
        "22  1.000000*  0.845000*",
    ]


def test_a_matrix_without_columns_or_rows() -> None:
    assert format_matrix([], ["a"], np.empty((0, 1))).strip() == "a"
    assert format_matrix(["a"], [], np.empty((1, 0))).split() == ["a"]
