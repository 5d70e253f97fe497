"""Lists in the encodings, file formats and dialects of spreadsheets and scripts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from support.list_cases import ListCase, check_images_of_list
from support.servers import HostileServer

CASES = {
    "URLs with commas": ListCase(
        "l.txt",
        "{U}/c_fill,w_3/1.jpg\n{U}/2.jpg\n{U}/a,b/3.jpg\n",
        ["{U}/2.jpg"],
        kinds=["http", "http"],
    ),
    "as many commas in each URL": ListCase(
        "l.txt",
        "{U}/c_fill,w_3/1.jpg\n{U}/c_fill,w_3/2.jpg\n",
        [],
        kinds=["http", "http"],
        options=["--no-header"],
        message="No address exists (404)",
    ),
    "commas between the parameters of each URL": ListCase(
        "l.txt",
        "{U}/1.jpg#fit=?w_300,h_100\n{U}/2.jpg#fit=?w_300,h_200\n",
        ["{U}/1.jpg#fit=?w_300,h_100", "{U}/2.jpg#fit=?w_300,h_200"],
    ),
    "a title behind each URL": ListCase(
        "l.txt",
        "{U}/1.jpg,Shoe\n{U}/2.jpg,Hat\n",
        ["{U}/1.jpg", "{U}/2.jpg"],
    ),
    "no header": ListCase(
        "l.txt",
        "{U}/1.jpg\n{U}/2.jpg\n",
        ["{U}/1.jpg", "{U}/2.jpg"],
        message="l.txt line 1 names no columns",
    ),
    "paths without a header": ListCase(
        "l.txt", "pics/1.jpg\npics/2.jpg\n", ["{P}/1.jpg", "{P}/2.jpg"]
    ),
    "the first line of Excel": ListCase(
        "l.csv", "sep=;\r\nid;url\r\n1;{U}/1.jpg\r\n2;{U}/2.jpg\r\n", ["1", "2"]
    ),
    "a comment": ListCase("l.csv", "# exported\nid,url\n1,{U}/1.jpg\n", ["1"]),
    "a comment above one column": ListCase(
        "l.csv", "# exported, by hand\nurl\n{U}/1.jpg\n", ["{U}/1.jpg"]
    ),
    "a German spreadsheet": ListCase(
        "l.csv", "\ufeffid;url;price\r\n1;{U}/1.jpg;1,99\r\n2;{U}/2.jpg;2,99\r\n", ["1", "2"]
    ),
    "a JSON array": ListCase(
        "l.json", '[{{"id": 1, "url": "{U}/1.jpg"}},\n {{"id": 2, "url": "{U}/2.jpg"}}]', ["1", "2"]
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_list_gives_its_images(
    case: str, vecsim, pictures: Path, server: HostileServer
) -> None:
    check_images_of_list(CASES[case], vecsim, pictures, server)


@pytest.mark.ci
def test_other_encodings_and_kinds_of_files_are_lists(
    vecsim, pictures: Path, server: HostileServer
) -> None:
    import pandas
    import pyarrow

    frame = pandas.DataFrame({"id": ["1", "2"], "url": [server.url(f"/{n}.jpg") for n in (1, 2)]})
    frame.to_csv("l.csv.gz", index=False)
    frame.to_parquet("l.parquet")
    frame.to_feather("l.feather")
    text = "id;url;title\r\n1;pics/1.jpg;Größe\r\n2;pics/2.jpg;été\r\n"
    Path("western.csv").write_bytes(text.encode("cp1252"))
    with pyarrow.CompressedOutputStream("l.tsv.zst", "zstd") as file:
        file.write(text.replace(";", "\t").encode())
    Path("utf16.csv").write_bytes(text.encode("utf-16"))

    places = ("l.csv.gz", "l.parquet", "l.feather", "western.csv", "utf16.csv", "l.tsv.zst")
    for place in places:
        ran = vecsim("build-index", f"of-{place}", place)
        assert ran.err.splitlines()[-1] == f"of-{place}: 2 added.", place
        assert ran.status == 0


def test_gzip_of_json_lines_is_a_list(vecsim, pictures: Path) -> None:
    rows = [json.dumps({"id": n, "url": f"pics/{n}.jpg"}) for n in (1, 2)]
    Path("l.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))

    assert vecsim("build-index", "new", "l.jsonl.gz").err == "new: 2 added.\n"
