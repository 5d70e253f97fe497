"""Lists as shops, spreadsheets and scripts write them: each is read, or refused before any work."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from support.servers import HostileServer
from vecsim.index import Snapshot

# name: (file, content, options, ids that are added, kinds of failures, part of the message).
# {U} is the address of the server, which has /1.jpg to /6.jpg; {P} the folder of the pictures.
CASES: dict[str, tuple[str, str, list[str], list[str], list[str], str]] = {
    # One bad row.
    "a comma too many": (
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,{U}/2.jpg,oops\n3,{U}/3.jpg\n",
        [],
        ["1", "3"],
        ["bad-row"],
        "2 added, 1 failed (1 bad-row)",
    ),
    "a footer": ("l.csv", "id,url\n1,{U}/1.jpg\n\nTotal: 1 rows\n", [], ["1"], ["bad-row"], ""),
    "commas at the end of rows": (
        "l.csv",
        "id,url\n1,{U}/1.jpg,\n2,{U}/2.jpg,,\n",
        [],
        ["1", "2"],
        [],
        "",
    ),
    "a long inlined picture": (
        "l.csv",
        'id,url\n1,{U}/1.jpg\n2,"data:image/png;base64,' + "A" * 160_000 + '"\n3,{U}/3.jpg\n',
        [],
        ["1", "3"],
        ["bad-url"],
        "",
    ),
    "a long description": (
        "l.csv",
        "id,url,text\n1,{U}/1.jpg,x\n2,{U}/2.jpg," + "<p>long</p>" * 20_000 + "\n",
        [],
        ["1", "2"],
        [],
        "",
    ),
    "quotes in a tab-separated list": (
        "l.tsv",
        'id\turl\ttitle\n1\t{U}/1.jpg\t5" disc\n2\t{U}/2.jpg\t"Fine" art\n3\t{U}/3.jpg\t"open\n',
        [],
        ["1", "2", "3"],
        [],
        "",
    ),
    "quotes of MySQL": (
        "l.csv",
        'id,url,title\n1,{U}/1.jpg,"back \\"slash\\" quoting"\n2,{U}/2.jpg,x\n',
        [],
        ["1", "2"],
        [],
        "",
    ),
    "an open quote": (
        "l.csv",
        'id,url\n1,"{U}/1.jpg\n2,{U}/2.jpg\n3,{U}/3.jpg\n',
        [],
        ["2", "3"],
        ["bad-row"],
        "",
    ),
    "a broken line of JSON": (
        "l.jsonl",
        '{{"id": 1, "url": "{U}/1.jpg"}}\n{{"id": 2, "url":\n{{"id": 3, "url": "{U}/3.jpg"}}\n',
        [],
        ["1", "3"],
        ["bad-row"],
        "",
    ),
    # Which column.
    "Shopify": (
        "l.csv",
        "Handle,Image Src,Image Position\na,{U}/1.jpg,1\nb,{U}/2.jpg,2\n",
        [],
        ["{U}/1.jpg", "{U}/2.jpg"],
        [],
        "l.csv: the pictures are in the column Image Src.",
    ),
    "Google Merchant": (
        "l.csv",
        "id,link,image_link,availability\n1,{U}/p/1,{U}/1.jpg,in stock\n",
        [],
        ["1"],
        [],
        "in the column image_link",
    ),
    "WooCommerce": (
        "l.csv",
        "ID,Name,Images,Price\n7,Shoe,{U}/1.jpg,9\n8,Hat,{U}/2.jpg,8\n",
        [],
        ["7", "8"],
        [],
        "",
    ),
    "Magento": ("l.csv", "sku,base_image,qty\nA,{U}/1.jpg,3\n", [], ["{U}/1.jpg"], [], ""),
    "a page and a picture": (
        "l.csv",
        "id,url,image\n1,{U}/product/1,{U}/1.jpg\n",
        [],
        ["1"],
        [],
        "in the column image (",
    ),
    "a description of the picture": (
        "l.csv",
        "sku,image_url,image_alt\nA,{U}/1.jpg,shoe\n",
        [],
        ["{U}/1.jpg"],
        [],
        "",
    ),
    "paths of files that are there": (
        "l.csv",
        "id,where,what\n1,pics/1.jpg,a.b\n2,pics/2.jpg,c.d\n",
        [],
        ["1", "2"],
        [],
        "",
    ),
    # Several pictures in a row.
    "two columns of pictures": (
        "l.csv",
        "id,image_1,image_2\nA,{U}/1.jpg,{U}/2.jpg\nB,{U}/3.jpg,\n",
        [],
        ["A", "B"],
        [],
        "(not read: image_2)",
    ),
    "two columns that are named": (
        "l.csv",
        "id,image_1,image_2,image_3\nA,{U}/1.jpg,,{U}/2.jpg\nB,{U}/3.jpg,,\n",
        ["--url-column", "image_1", "--url-column", "image_2", "--url-column", "image_3"],
        ["A", "A#3", "B"],
        [],
        "",
    ),
    "several in a cell": (
        "l.csv",
        'id,url\n1,"{U}/1.jpg, {U}/2.jpg"\n2,{U}/3.jpg|{U}/4.jpg\n3,{U}/5.jpg\n',
        [],
        ["3"],
        ["bad-url", "bad-url"],
        "2 cells hold several addresses: --split-cells takes each.",
    ),
    "several in a cell that is split": (
        "l.csv",
        'id,url\n1,"{U}/1.jpg, {U}/2.jpg"\n2,{U}/3.jpg|{U}/4.jpg\n3,{U}/5.jpg;{U}/6.jpg\n'
        '4,"[\'{U}/1.jpg\', \'{U}/2.jpg\']"\n5,"[""{U}/3.jpg""]"\n',
        ["--split-cells"],
        ["1", "1#2", "2", "2#2", "3", "3#2", "4", "4#2", "5"],
        [],
        "",
    ),
    # Forms.
    "URLs with commas": (
        "l.txt",
        "{U}/c_fill,w_3/1.jpg\n{U}/2.jpg\n{U}/a,b/3.jpg\n",
        [],
        ["{U}/2.jpg"],
        ["http", "http"],
        "",
    ),
    "as many commas in each URL": (
        "l.txt",
        "{U}/c_fill,w_3/1.jpg\n{U}/c_fill,w_3/2.jpg\n",
        ["--no-header"],
        [],
        ["http", "http"],
        "No address exists (404)",
    ),
    "no header": (
        "l.txt",
        "{U}/1.jpg\n{U}/2.jpg\n",
        [],
        ["{U}/1.jpg", "{U}/2.jpg"],
        [],
        "l.txt line 1 names no columns",
    ),
    "paths without a header": (
        "l.txt",
        "pics/1.jpg\npics/2.jpg\n",
        [],
        ["{P}/1.jpg", "{P}/2.jpg"],
        [],
        "",
    ),
    "the first line of Excel": (
        "l.csv",
        "sep=;\r\nid;url\r\n1;{U}/1.jpg\r\n2;{U}/2.jpg\r\n",
        [],
        ["1", "2"],
        [],
        "",
    ),
    "a comment": ("l.csv", "# exported\nid,url\n1,{U}/1.jpg\n", [], ["1"], [], ""),
    "a German spreadsheet": (
        "l.csv",
        "\ufeffid;url;price\r\n1;{U}/1.jpg;1,99\r\n2;{U}/2.jpg;2,99\r\n",
        [],
        ["1", "2"],
        [],
        "",
    ),
    "a JSON array": (
        "l.json",
        '[{{"id": 1, "url": "{U}/1.jpg"}},\n {{"id": 2, "url": "{U}/2.jpg"}}]',
        [],
        ["1", "2"],
        [],
        "",
    ),
    # Cells.
    "cells without a value": (
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,\n3,N/A\n4,nan\n5,null\n6,#N/A\n",
        [],
        ["1"],
        ["bad-url"] * 5,
        "",
    ),
    "addresses that cannot be fetched": (
        "l.csv",
        "id,url\n1,{U}/1.jpg\n2,ftp://x/2.jpg\n3,s3://b/3.jpg\n4,C:\\pics\\4.jpg\n5,\\\\nas\\5.jpg\n"
        "6,127.0.0.1:9/6.jpg\n7,shop.example.com/7.jpg\n",
        [],
        ["1"],
        ["bad-url"] * 6,
        "",
    ),
    "addresses in other text": (
        "l.csv",
        "id,url\n1,\"['{U}/1.jpg']\"\n2,\"<a href='{U}/2.jpg'>picture</a>\"\n3, {U}/3.jpg \n",
        [],
        ["1", "2", "3"],
        [],
        "2 cells repaired",
    ),
    "only paths that are not there": (
        "l.csv",
        "id,path\n1,no/1.jpg\n2,no/2.jpg\n",
        [],
        [],
        ["no-file", "no-file"],
        "None of the files is there. Relative paths begin at the folder of the list",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_list_gives_its_images(
    case: str, vecsim, pictures: Path, server: HostileServer
) -> None:
    name, content, options, ids, kinds, message = CASES[case]
    values = {"U": server.url("").rstrip("/"), "P": str(pictures)}
    braced = "{{" in content or "{U}" in content
    Path(name).write_text(content.format(**values) if braced else content, newline="")

    ran = vecsim("build-index", "new", name, *options, "--retries", "0")

    with Snapshot(Path("new")) as snapshot:
        added = [row.ref.id for row in snapshot.all_rows()]
        failed = [failure.kind for failure in snapshot.catalog.failures.all()]
    assert added == [one.format(**values) for one in ids], ran.err
    assert failed == kinds
    assert ran.status == (3 if kinds else 0)
    assert message in ran.err


def test_other_encodings_and_kinds_of_files_are_lists(
    vecsim, pictures: Path, server: HostileServer
) -> None:
    import pandas

    frame = pandas.DataFrame({"id": ["1", "2"], "url": [server.url(f"/{n}.jpg") for n in (1, 2)]})
    frame.to_csv("l.csv.gz", index=False)
    frame.to_parquet("l.parquet")
    frame.to_feather("l.feather")
    text = "id;url;title\r\n1;pics/1.jpg;Größe\r\n2;pics/2.jpg;été\r\n"
    Path("western.csv").write_bytes(text.encode("cp1252"))
    Path("utf16.csv").write_bytes(text.encode("utf-16"))

    for place in ("l.csv.gz", "l.parquet", "l.feather", "western.csv", "utf16.csv"):
        ran = vecsim("build-index", f"of-{place}", place)
        assert ran.err.splitlines()[-1] == f"of-{place}: 2 added.", place
        assert ran.status == 0


def test_a_list_without_pictures_is_refused_before_any_work(vecsim) -> None:
    Path("l.csv").write_text("id,price,title\n1,9.99,Shoe\n2,19.99,Hat\n")

    ran = vecsim("build-index", "new", "l.csv")

    assert ran.status == 1
    assert "l.csv line 1: the column title does not look like URLs or paths of pictures" in ran.err
    assert not Path("new").exists()


def test_pictures_and_patterns_are_sources(vecsim, pictures: Path) -> None:
    one = vecsim("build-index", "new", "pics/1.jpg")
    some = vecsim("add", "new", "pics/[12].jpg", "--on-duplicate", "skip")
    none = vecsim("add", "new", "pics/*.gif")

    assert (one.err, one.status) == ("new: 1 added.\n", 0)
    assert some.err == "new: 1 added, 1 already known.\n"
    assert (none.err, none.status) == ("Error: no such file or folder: pics/*.gif\n", 1)


def test_a_broken_row_is_listed_and_not_tried_again(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg,oops\n")

    vecsim("build-index", "new", "l.csv")
    (failure,) = vecsim("failures", "new").rows
    retried = vecsim("retry", "new")

    assert (failure["id"], failure["kind"]) == ("l.csv line 3", "bad-row")
    assert failure["message"].startswith("3 fields where the first row has 2 (delimiter: ,)")
    assert retried.status == 0


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


def test_folders_leave_out_what_nobody_means(vecsim, pictures: Path) -> None:
    picture = (pictures / "1.jpg").read_bytes()
    for name in (
        "@eaDir/1.jpg/SYNOPHOTO_THUMB.jpg",
        "#recycle/old.jpg",
        ".Trash-1000/old.jpg",
        "$RECYCLE.BIN/old.jpg",
        ".hidden/x.jpg",
        "._1.jpg",
        "Thumbs.db",
        "thumbs/small.jpg",
        "photo.jpg?width=300",
        "nosuffix",
        "ico.ico",
        "notes.txt",
    ):
        path = pictures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if name.endswith(("txt", "db")) else picture)

    listed = vecsim("list-images", "pics", "--exclude", "thumbs/")
    everything = vecsim("list-images", "pics", "--all-files")

    assert sorted(Path(row["id"]).name for row in listed.rows) == [
        *(f"{n}.jpg" for n in range(1, 7)),
        "ico.ico",
    ]
    assert (
        "4 folders of the system, such as @eaDir or $RECYCLE.BIN" in listed.err
        and "1 excluded folders" in listed.err
    )
    assert {Path(row["id"]).name for row in everything.rows} == {
        *(f"{n}.jpg" for n in range(1, 7)),
        *("ico.ico", "small.jpg", "photo.jpg?width=300", "nosuffix"),
    }


def test_a_broken_link_in_a_folder_is_one_failure(vecsim, pictures: Path) -> None:
    (pictures / "gone.jpg").symlink_to("/nowhere/gone.jpg")
    (pictures / "loop.jpg").symlink_to("loop.jpg")

    built = vecsim("build-index", "new", "pics")
    matched = vecsim("match", "pics")
    calibrated = vecsim("calibrate", "pics")

    assert "new: 6 added, 2 failed (2 no-file)." in built.err
    assert (built.status, matched.status, calibrated.status) == (3, 3, 0)
    assert len(matched.pairs) > 0


def test_gzip_of_json_lines_is_a_list(vecsim, pictures: Path) -> None:
    rows = [json.dumps({"id": n, "url": f"pics/{n}.jpg"}) for n in (1, 2)]
    Path("l.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))

    assert vecsim("build-index", "new", "l.jsonl.gz").err == "new: 2 added.\n"
