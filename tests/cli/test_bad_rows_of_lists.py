"""Rows and cells of lists that are broken, empty or odd: each is read, or is one failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.list_cases import ListCase, check_images_of_list
from support.servers import HostileServer
from vecsim.index import Snapshot

CASES = {
    # One bad row.
    "a comma too many": ListCase(
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,{U}/2.jpg,oops\n3,{U}/3.jpg\n",
        ["1", "3"],
        kinds=["bad-row"],
        message="2 added, 1 failed (1 bad-row)",
    ),
    "a footer": ListCase(
        "l.csv", "id,url\n1,{U}/1.jpg\n\nTotal: 1 rows\n", ["1"], kinds=["bad-row"]
    ),
    "commas at the end of rows": ListCase(
        "l.csv", "id,url\n1,{U}/1.jpg,\n2,{U}/2.jpg,,\n", ["1", "2"]
    ),
    "rows without their last cells": ListCase(
        "l.csv",
        'note,url,price,count\n"{{""a"": 1}}",{U}/1.jpg\n"5"" disc",{U}/2.jpg,9\n',
        ["{U}/1.jpg", "{U}/2.jpg"],
    ),
    "a long inlined picture": ListCase(
        "l.csv",
        'id,url\n1,{U}/1.jpg\n2,"data:image/png;base64,' + "A" * 160_000 + '"\n3,{U}/3.jpg\n',
        ["1", "3"],
        kinds=["bad-url"],
    ),
    "a long description": ListCase(
        "l.csv",
        "id,url,text\n1,{U}/1.jpg,x\n2,{U}/2.jpg," + "<p>long</p>" * 20_000 + "\n",
        ["1", "2"],
    ),
    "quotes in a tab-separated list": ListCase(
        "l.tsv",
        'id\turl\ttitle\n1\t{U}/1.jpg\t5" disc\n2\t{U}/2.jpg\t"Fine" art\n3\t{U}/3.jpg\t"open\n',
        ["1", "2", "3"],
    ),
    "quotes of MySQL": ListCase(
        "l.csv", 'id,url,title\n1,{U}/1.jpg,"back \\"slash\\" quoting"\n2,{U}/2.jpg,x\n', ["1", "2"]
    ),
    "quotes that are plain characters": ListCase(
        "l.csv",
        'id,url,title\n1,{U}/1.jpg,"a\n2,{U}/2.jpg,b"\n',
        ["1", "2"],
        options=["--quoting", "none"],
    ),
    "an open quote": ListCase(
        "l.csv", 'id,url\n1,"{U}/1.jpg\n2,{U}/2.jpg\n3,{U}/3.jpg\n', ["2", "3"], kinds=["bad-row"]
    ),
    "a broken line of JSON": ListCase(
        "l.jsonl",
        '{{"id": 1, "url": "{U}/1.jpg"}}\n{{"id": 2, "url":\n{{"id": 3, "url": "{U}/3.jpg"}}\n',
        ["1", "3"],
        kinds=["bad-row"],
    ),
    # Cells.
    "cells without a value": ListCase(
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,\n3,N/A\n4,nan\n5,null\n6,#N/A\n",
        ["1"],
        kinds=["bad-url"] * 5,
    ),
    "addresses that cannot be fetched": ListCase(
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,ftp://x/2.jpg\n3,s3://b/3.jpg\n4,C:\\pics\\4.jpg\n5,\\\\nas\\5.jpg\n"
        "6,127.0.0.1:9/6.jpg\n7,shop.example.com/7.jpg\n",
        ["1"],
        kinds=["bad-url"] * 6,
    ),
    "addresses in other text": ListCase(
        "l.csv",
        "id,url\n1,\"['{U}/1.jpg']\"\n2,\"<a href='{U}/2.jpg'>picture</a>\"\n3, {U}/3.jpg \n",
        ["1", "2", "3"],
        message="2 cells repaired",
    ),
    "addresses without https:": ListCase(
        "l.csv",
        "id,url\n1,//127.0.0.1:1/1.jpg\n2,www.shop.invalid/2.jpg\n3,{U}/3.jpg\n",
        ["3"],
        kinds=["connect", "dns"],
        message="2 cells repaired: https: put before an address without it (2).",
    ),
    "only paths that are not there": ListCase(
        "l.csv",
        "id,path\n1,no/1.jpg\n2,no/2.jpg\n",
        [],
        kinds=["no-file", "no-file"],
        message="None of the files is there. Relative paths begin at the folder of the list",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_list_gives_its_images(
    case: str, vecsim, pictures: Path, server: HostileServer
) -> None:
    check_images_of_list(CASES[case], vecsim, pictures, server)


def test_a_broken_row_is_listed_and_not_tried_again(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg,oops\n")

    vecsim("build-index", "new", "l.csv")
    (failure,) = vecsim("failures", "new").rows
    retried = vecsim("retry", "new")

    assert (failure["id"], failure["kind"]) == ("l.csv line 3", "bad-row")
    assert failure["message"].startswith("3 fields where the first row has 2 (delimiter: ,)")
    assert retried.status == 0


def test_a_list_of_too_many_columns_is_refused_before_any_work(vecsim) -> None:
    row = ",".join(f"c{n}" for n in range(20_000)) + "\n"
    Path("l.csv").write_text(row * 2)

    ran = vecsim("build-index", "new", "l.csv")

    assert (ran.status, Path("new").exists()) == (1, False)
    assert ran.err == "Error: l.csv line 1: 20,000 columns; at most 16,384 are read.\n"


def test_a_row_without_a_picture_does_not_replace_the_one_of_its_id(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg\n")
    vecsim("build-index", "new", "l.csv")
    Path("l.csv").write_text("id,url\n1,N/A\n2,pics/2.jpg\n")

    ran = vecsim("add", "new", "l.csv")

    assert ran.status == 3
    assert [row["id"] for row in vecsim("failures", "new").rows] == ["1"]
    with Snapshot(Path("new")) as snapshot:
        assert snapshot.count == 2


def test_deep_json_ends_nothing(vecsim, pictures: Path) -> None:
    deep = '{"id": 2, "url": ' + "[" * 100_000 + "]" * 100_000 + "}"
    near = '{"id": 3, "url": "pics/3.jpg", "x": ' + "[" * 900 + "]" * 900 + "}"
    rows = ['{"id": 1, "url": "pics/1.jpg"}', deep, near, '{"id": 4, "url": "pics/4.jpg"}']
    Path("l.jsonl").write_text("\n".join(rows) + "\n")

    ran = vecsim("build-index", "new", "l.jsonl")

    assert ran.status == 3
    assert "3 added, 1 failed (1 bad-row)." in ran.err


@pytest.mark.parametrize("command", ["add", "build-index", "sync"])
def test_the_failure_of_a_broken_row_goes_when_the_row_is_sound(
    command: str, vecsim, pictures: Path
) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg,oops\n3,pics/3.jpg,,oops\n")
    vecsim("build-index", "new", "l.csv")
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg\n3,pics/3.jpg,,oops\n")

    vecsim(command, "new", "l.csv")

    assert [row["id"] for row in vecsim("failures", "new").rows] == ["l.csv line 4"]


@pytest.mark.ci
def test_the_row_of_another_list_of_the_same_name_mends_nothing(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg,oops\n")
    Path("sub").mkdir()
    Path("sub/l.csv").write_text("id,url\n3,../pics/3.jpg\n4,../pics/4.jpg\n")
    vecsim("build-index", "new", "l.csv")

    vecsim("add", "new", "sub/l.csv")

    assert [row["id"] for row in vecsim("failures", "new").rows] == ["l.csv line 3"]
