"""`--excel`: CSV for spreadsheets, which every command that reads lists takes back."""

from __future__ import annotations

import csv
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.cli.group import cli
from vecsim.render import write_rows
from vecsim.sources import SourceOptions, guard_formulas, read_source
from vecsim.sources.formula_guard import remove_guard

EVIL = ["=1+1", "+SUM(A1)", "-2+3|cmd", "@now", "'=quoted", "''-x", "\uff1dx", "  =x", "a;=x"]
PLAIN = ["7", "-7", "+1,5", "-12.50%", "x=1", "a-b", "it's", "'", "https://shop.example/a.jpg?b=-1"]
TEXTS = st.text(
    st.sampled_from("=+-@'; \t\r\n,\"a1\uff1d\xa0")
    | st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
)


@pytest.fixture
def evil(pictures: Path) -> list[str]:
    """Ids that a spreadsheet would run, in the list evil.csv of the pictures 1 to 6."""
    ids = EVIL[:6]
    with Path("evil.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "=title"])
        writer.writerows([one, f"pics/{n}.jpg", one] for n, one in enumerate(ids, 1))
    return ids


@pytest.mark.parametrize("text", EVIL)
def test_a_text_that_would_be_a_formula_gets_an_apostrophe(text: str) -> None:
    assert guard_formulas(text) != text
    assert "'" in guard_formulas(text)


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert guard_formulas(text) == text


@given(TEXTS)
def test_taking_the_guard_out_restores_every_text(text: str) -> None:
    guarded = guard_formulas(text)

    assert remove_guard(guarded) == text
    if guarded != text:
        assert guard_formulas(guarded) != guarded  # so that `'=` in a text is not taken for a guard
        assert guarded.strip()[0] not in "=+@\uff1d"


@pytest.mark.ci
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_cells_come_back_from_a_file(tmp_path_factory, texts: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "cells.csv"
    rows = [(n, f"http://shop.example/{n}.jpg", text) for n, text in enumerate(texts)]
    write_rows(["id", "url", "=title"], rows, "excel", file)

    found = read_source(file, SourceOptions(delimiter=","))

    assert [ref.fields["=title"] for ref in found] == texts
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")


def test_only_files_with_a_mark_lose_apostrophes(tmp_path: Path) -> None:
    text = "id,url\n'=1,http://shop.example/1.jpg\n"
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "marked.csv").write_text(text, encoding="utf-8-sig")
    (tmp_path / "wide.csv").write_text(text, encoding="utf-16")

    ids = [
        next(read_source(tmp_path / f"{name}.csv", SourceOptions())).id
        for name in ("plain", "marked", "wide")
    ]
    assert ids == ["'=1", "=1", "=1"]


def test_a_list_saved_again_by_a_german_spreadsheet_is_read(tmp_path: Path) -> None:
    write_rows(["id", "url"], [("=1", "http://shop.example/1.jpg")], "excel", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "b.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)

    assert [ref.id for ref in read_source(tmp_path / "b.csv", SourceOptions())] == ["=1"]


def test_every_command_that_writes_csv_has_the_option() -> None:
    context = click.Context(cli, info_name="vecsim")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--format" in options) == ("--excel" in options), name


def test_another_format_is_refused(vecsim, index: Path) -> None:
    ran = vecsim("match", index, "--excel", "--format", "jsonl")

    assert (ran.status, ran.out) == (2, "")
    assert "--excel writes CSV: leave out --format jsonl." in ran.err


def test_matches_and_their_unmatched_images(vecsim, evil: list[str]) -> None:
    plain = vecsim("match", "evil.csv", "--unmatched", "rest.csv")
    excel = vecsim("match", "evil.csv", "--unmatched", "rest-excel.csv", "--excel")

    assert excel.out.startswith("\ufeffquery_id,query_url,")
    cells = [list(row.values()) for row in csv.DictReader(excel.out[1:].splitlines())]
    assert [[remove_guard(cell) for cell in row] for row in cells] == [
        list(row.values()) for row in plain.rows
    ]
    assert cells[0][0] == "'=1+1"
    assert cells[0][4] == plain.rows[0]["score"]
    rest = [ref.id for ref in read_source("rest-excel.csv", SourceOptions())]
    assert rest == [ref.id for ref in read_source("rest.csv", SourceOptions())] == evil[3:4]


def test_lists_of_images_are_sources_again(vecsim, evil: list[str]) -> None:
    Path("pics/2.jpg").unlink()
    vecsim("build-index", "evil", "evil.csv")
    vecsim("failures", "evil", "--excel", "--output", "failed.csv")
    Path("pics/2.jpg").write_bytes(Path("pics/1.jpg").read_bytes())

    assert Path("failed.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert "1 added" in vecsim("build-index", "other", "failed.csv").err
    assert vecsim("query", "other", "--id", evil[1]).status == 0
    assert vecsim("list-images", "pics", "--excel", "-o", "listed.csv").status == 0
    assert "6 added" in vecsim("build-index", "again", "listed.csv").err
    assert vecsim("sync", "again", "listed.csv", "--excel").status == 0


def test_groups_are_applied_and_removed(vecsim, evil: list[str]) -> None:
    vecsim("build-index", "evil", "evil.csv")
    groups = vecsim("cluster", "evil", "--excel", "--output", "groups.csv")
    checked = vecsim("apply", "groups.csv", "--index", "evil", "--excel")

    assert groups.status == 0
    assert checked.status == 0
    assert "3 files would be given up." in checked.err
    gone = vecsim("remove", "evil", "--from", "groups.csv")
    assert "evil: 3 removed." in gone.err
    with Path("groups.csv").open(encoding="utf-8-sig") as file:
        kept = [row for row in csv.DictReader(file) if row["keep"] == "yes"]
    assert {remove_guard(row["id"]) for row in kept} <= set(evil)


def test_decisions_are_imported(vecsim, evil: list[str]) -> None:
    vecsim("build-index", "evil", "evil.csv")
    vecsim("decisions", "evil", "--different", evil[0], evil[2])
    vecsim("decisions", "evil", "--excel", "--output", "decided.csv")
    vecsim("decisions", "evil", "--forget-all")

    assert "1 decision stored" in vecsim("decisions", "evil", "--import", "decided.csv").err


def test_calibrate_writes_numbers(vecsim, index: Path) -> None:
    plain, excel = vecsim("calibrate", index), vecsim("calibrate", index, "--excel")

    assert excel.out == "\ufeff" + plain.out
