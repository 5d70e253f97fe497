"""`--report`, `vecsim cluster` and `vecsim thumbnails`: files and messages."""

from __future__ import annotations

import base64
import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from vecsim.render import report as report_module
from vecsim.render import review as review_module

_BLOCK = re.compile(r'<script type="application/json" class="data">(.*?)</script>', re.S)


def blocks(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in _BLOCK.findall(path.read_text("utf-8"))]


def pairs_of(path: Path) -> list[tuple[str, str, float]]:
    images: list[list[Any]] = []
    found = []
    for block in blocks(path):
        images += block.get("images", [])
        flat = block.get("pairs", [])
        for at in range(0, len(flat), 3):
            query, reference, score = flat[at : at + 3]
            found.append((images[query][1], images[reference][1], score / 1e6))
    return found


def images_of(path: Path) -> list[list[Any]]:
    return [image for block in blocks(path) for image in block.get("images", [])]


def test_a_report_has_the_same_pairs_and_each_picture_once(vecsim, index: Path) -> None:
    ran = vecsim("match", index, "--report", "r.html")
    assert ran.status == 0
    assert len(ran.pairs) == 4
    assert pairs_of(Path("r.html")) == ran.pairs
    images = images_of(Path("r.html"))
    assert len(images) == len({image[1] for image in images}) == 5
    for image in images:
        assert base64.b64decode(image[8])[:2] == b"\xff\xd8"
        assert image[3].startswith("file:///")
    assert "r.html: a page of 4 pairs" in ran.err
    head, *_, end = blocks(Path("r.html"))
    assert head["head"]["columns"][:5] == list(ran.rows[0])[:5]
    assert end["end"]["count"] == 4


def test_images_of_two_sets_are_kept_apart(vecsim, first: Path, second: Path) -> None:
    names = ("--names", "ours", "theirs")
    ran = vecsim("match", first, second, "-o", "p.csv", "--report", "r.html", "--show-all", *names)
    assert ran.out == ""
    sides = [(image[0], image[1]) for image in images_of(Path("r.html"))]
    assert sorted(sides) == [(0, "1"), (0, "2"), (0, "3"), (1, "3")]
    with Path("p.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
    assert blocks(Path("r.html"))[0]["head"]["names"] == ["ours", "theirs"]


def test_a_query_by_url_has_a_thumbnail_of_the_query(vecsim, index: Path, pictures: Path) -> None:
    ran = vecsim("query", index, "--url", pictures / "1.jpg", "--report", "q.html")
    images = images_of(Path("q.html"))
    assert pairs_of(Path("q.html")) == ran.pairs
    assert images[0][0] == 0
    assert all(image[8] for image in images)
    assert images[0][4:6] == [860, 800]


def test_queries_by_id_and_from_a_list(vecsim, index: Path, first: Path) -> None:
    for asked in (("--id", 1, "--id", 5), ("--csv", first)):
        ran = vecsim("query", index, *asked, "-k", 2, "--report", "q.html")
        assert pairs_of(Path("q.html")) == ran.pairs
        assert all(image[8] for image in images_of(Path("q.html")))


def test_missing_thumbnails_are_reported_and_can_be_fetched(vecsim, pictures: Path) -> None:
    assert vecsim("build-index", "i", pictures, "--no-thumbnails").status == 0
    ran = vecsim("match", "i", "--report", "r.html")
    assert "5 images have no thumbnail: `vecsim thumbnails i` fetches them." in ran.err
    (pictures / "6.jpg").unlink()
    ran = vecsim("thumbnails", "i")
    assert ran.status == 3
    assert "no-file" in ran.err
    assert "i: 5 thumbnails added, 1 image could not be loaded." in ran.err
    ran = vecsim("match", "i", "--report", "r.html", "--show-all")
    assert "1 image has no thumbnail" in ran.err


def test_no_thumbnails_is_stored_and_can_be_changed(vecsim, pictures: Path) -> None:
    Path("zero.csv").write_text("id,url\na,pics/1.jpg\n")
    assert vecsim("build-index", "i", "zero.csv", "--no-thumbnails").status == 0
    assert not Path("i/thumbnails.db").exists()
    Path("one.csv").write_text("id,url\nb,pics/2.jpg\n")
    Path("two.csv").write_text("id,url\nc,pics/3.jpg\n")
    vecsim("add", "i", "one.csv")
    assert not Path("i/thumbnails.db").exists()
    vecsim("add", "i", "two.csv", "--thumbnails")
    assert Path("i/thumbnails.db").exists()


def test_a_report_is_limited_and_says_what_it_leaves_out(
    vecsim, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MAX_PAIRS", 10)
    ran = vecsim("match", index, "--threshold", -1, "--report", "r.html")
    assert len(ran.pairs) == 15
    assert pairs_of(Path("r.html")) == ran.pairs[:10]
    assert blocks(Path("r.html"))[-1]["end"]["left_out"] == 5
    assert "It leaves out 5 further pairs" in ran.err


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [("r.txt", 2, "must end in .html"), ("no/r.html", 1, "there is no folder no")],
)
def test_an_unwritable_report_is_refused_before_the_search(
    vecsim, index: Path, name: str, status: int, message: str
) -> None:
    for command in (("match", index), ("query", index, "--id", 1), ("cluster", index)):
        ran = vecsim(*command, "--report", name)
        assert ran.status == status
        assert message in ran.err
        assert ran.out == ""


def test_after_an_error_the_old_report_stays(vecsim, index: Path) -> None:
    Path("r.html").write_text("before")
    Path("bad.csv").write_bytes(b"\0\1\2\3")
    ran = vecsim("query", index, "--csv", "bad.csv", "--report", "r.html")
    assert ran.status == 1
    assert Path("r.html").read_text() == "before"


def test_the_report_loads_nothing_from_the_network(vecsim, index: Path) -> None:
    vecsim("match", index, "--report", "r.html")
    text = _BLOCK.sub("", Path("r.html").read_text("utf-8"))
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", text)
    assert "default-src 'none'" in text


def test_clusters_as_rows(vecsim, index: Path) -> None:
    ran = vecsim("cluster", index)
    assert ran.status == 0
    assert [(r["group"], r["size"], r["id"], r["keep"], r["score"]) for r in ran.rows] == [
        ("1", "3", "3", "yes", "1.000000"),
        ("1", "3", "1", "no", "0.937500"),
        ("1", "3", "2", "no", "0.812500"),
        ("2", "2", "5", "yes", "1.000000"),
        ("2", "2", "6", "no", "0.875000"),
    ]
    assert ran.rows[0]["title"] == "picture 3"
    assert "2 groups of 5 images among 6 images" in ran.err
    ran = vecsim("cluster", index, "--keep", "first", "-f", "jsonl", "-t", 0.9)
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [(line["id"], line["keep"], line["score"]) for line in lines] == [
        ("1", "yes", 1.0),
        ("3", "no", 0.9375),
    ]


def test_clusters_as_a_page(vecsim, index: Path) -> None:
    ran = vecsim("cluster", index, "-o", "groups.csv", "--report", "c.html")
    assert ran.out == ""
    assert "c.html: a page to review 2 groups" in ran.err
    head, *written, end = blocks(Path("c.html"))
    groups = [group for block in written for group in block["groups"]]
    with Path("groups.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name, kind in head["head"]["columns"]]
    assert names == list(rows[0])
    ids = [[row[names.index("id")] for row in group["rows"]] for group in groups]
    assert ids == [["3", "1", "2"], ["5", "6"]]
    assert [row["id"] for row in rows] == [id_ for group in ids for id_ in group]
    assert groups[0]["pairs"][:2] == [937500, 812500] and len(groups[0]["pairs"]) == 3
    for picture in groups[0]["pictures"]:
        assert base64.b64decode(picture)[:2] == b"\xff\xd8"
    assert all(link.startswith("file:///") for link in groups[0]["links"])
    assert groups[0]["details"][0][0].startswith("file of 20")
    assert end["end"]["count"] == 2


def test_a_page_of_clusters_stays_small(
    vecsim, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_module, "MAX_PICTURE_BYTES", 3_000)
    monkeypatch.setattr(review_module, "MAX_IMAGES", 3)
    ran = vecsim("cluster", index, "--report", "c.html")
    assert "It leaves out 1 further group" in ran.err
    assert "It has no thumbnails of " in ran.err
    (group,) = [group for block in blocks(Path("c.html")) for group in block.get("groups", ())]
    assert "" in group["pictures"]
    assert blocks(Path("c.html"))[-1]["end"]["left_out"] == 1
