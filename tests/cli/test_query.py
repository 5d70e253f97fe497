"""`vecsim query`: images similar to given ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from support.servers import HostileServer


def test_a_query_by_path(vecsim, index: Path, pictures: Path) -> None:
    ran = vecsim("query", index, "--url", "pics/1.jpg")

    assert ran.status == 0
    assert ran.pairs == [
        *(("pics/1.jpg", "1", 1.0), ("pics/1.jpg", "3", 0.9375), ("pics/1.jpg", "2", 0.75)),
    ]
    assert ran.rows[0]["reference_title"] == "picture 1"
    assert "3 pairs" in ran.err


def test_a_query_by_urls_of_all_kinds(
    vecsim, index: Path, pictures: Path, server: HostileServer
) -> None:
    urls = [server.url("/4.jpg"), (pictures / "5.jpg").as_uri(), "pics/6.jpg"]
    options = [word for url in urls for word in ("--url", url)]

    ran = vecsim("query", index, *options, "--threshold", "1")

    assert ran.pairs == [(urls[0], "4", 1.0), (urls[1], "5", 1.0), (urls[2], "6", 1.0)]


def test_a_query_by_id_leaves_out_the_image_itself(vecsim, index: Path) -> None:
    ran = vecsim("query", index, "--id", "3", "--id", "6")

    assert ran.pairs == [("3", "1", 0.9375), ("3", "2", 0.8125), ("6", "5", 0.875)]


def test_a_query_by_a_list_reports_its_fields(vecsim, index: Path, second: Path) -> None:
    ran = vecsim("query", index, "--csv", second, "--threshold", "0.9")

    assert [pair[:2] for pair in ran.pairs] == [("3", "3"), ("3", "1"), ("4", "4")]
    assert [row["query_title"] for row in ran.rows] == ["lake", "lake", "poster"]


def test_top_k_ignores_the_threshold(vecsim, index: Path) -> None:
    assert [pair[1] for pair in vecsim("query", index, "--id", "3", "-k", "2").pairs] == ["1", "2"]
    assert len(vecsim("query", index, "--id", "3", "-k", "99").pairs) == 5


def test_equal_scores_are_ordered_by_id(vecsim, index: Path, pictures: Path) -> None:
    Path("same.csv").write_text("id,url\nb,pics/4.jpg\n10,pics/4.jpg\n")
    vecsim("add", index, "same.csv")

    ran = vecsim("query", index, "--url", "pics/4.jpg", "-k", "2")

    assert [pair[1] for pair in ran.pairs] == ["10", "4"]


def test_threshold_and_top_k_exclude_each_other(vecsim, index: Path) -> None:
    ran = vecsim("query", index, "--url", "x.jpg", "-t", "0.9", "-k", "3")

    assert (ran.status, ran.out) == (2, "")
    assert "Ask for a threshold or for the top k, not for both." in ran.err


def test_exactly_one_of_url_id_and_csv_is_needed(vecsim, index: Path) -> None:
    for words in ([], ["--id", "1", "--url", "x.jpg"], ["--csv", "x.csv", "--id", "1"]):
        ran = vecsim("query", index, *words)
        assert ran.status == 2
        assert "name the query images: a path or URL, or use one of --url" in ran.err


def test_an_unknown_id_is_an_error(vecsim, index: Path) -> None:
    ran = vecsim("query", index, "--id", "1", "--id", "no such")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "Error: six: no image has the id 'no such'.\n"


def test_a_failed_query_image_does_not_stop_the_others(vecsim, index: Path, pictures: Path) -> None:
    ran = vecsim("--quiet", "query", index, "--url", "gone.jpg", "--url", "pics/4.jpg")

    assert ran.status == 3
    assert ran.err == "gone.jpg: no-file: No such file or directory\n"
    assert [pair[:2] for pair in ran.pairs] == [("pics/4.jpg", "4")]


def test_only_failed_query_images_are_an_error(vecsim, index: Path, server: HostileServer) -> None:
    url = server.url("/gone.jpg")

    ran = vecsim("query", index, "--url", url)

    assert (ran.status, ran.pairs) == (1, [])
    assert ran.err.startswith(f"{url}: http: ")


def test_queries_change_no_file(vecsim, index: Path, pictures: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in index.rglob("*") if path.is_file()}

    assert vecsim("query", index, "--url", "pics/1.jpg").status == 0
    assert vecsim("query", index, "--id", "1").status == 0
    assert vecsim("info", index).status == 0

    assert before == {path: path.stat().st_mtime_ns for path in index.rglob("*") if path.is_file()}


@pytest.fixture
def turned(pictures: Path) -> Path:
    """Picture 4, turned clockwise by a quarter."""
    with Image.open(pictures / "4.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_270).save("turned.png")
    return Path("turned.png")


def test_a_turned_picture_is_found_and_the_output_says_how(vecsim, index: Path, turned) -> None:
    ran = vecsim("query", index, "--url", turned)

    assert [pair[1] for pair in ran.pairs] == ["4"]
    assert ran.rows[0]["orientation"] == "270"
    assert list(ran.rows[0])[4:6] == ["score", "orientation"]
    assert vecsim("query", index, "--url", turned, "--orientations", "none").pairs == []
    assert vecsim("query", index, "--url", turned, "--orientations", "mirror").pairs == []
    assert vecsim("query", index, "--url", turned, "--orientations", "all").pairs == ran.pairs


def test_orientations_stand_in_all_formats_and_in_the_report(vecsim, index: Path, turned) -> None:
    table = vecsim("query", index, "--url", turned, "--format", "table").out
    assert "orientation" in table.splitlines()[1]
    line = vecsim("query", index, "--url", turned, "--format", "jsonl").out
    assert json.loads(line)["orientation"] == "270"
    vecsim("query", index, "--url", turned, "--output", "found.parquet", "--report", "r.html")
    import pyarrow.parquet

    assert pyarrow.parquet.read_table("found.parquet")["orientation"].to_pylist() == ["270"]
    assert (
        '"turned": [3]' in Path("r.html").read_text()
        or '"turned":[3]' in Path("r.html").read_text()
    )


def test_a_query_as_it_is_has_no_column_of_orientations(
    vecsim, index: Path, pictures: Path
) -> None:
    ran = vecsim("query", index, "--url", "pics/1.jpg", "--orientations", "none")
    assert "orientation" not in ran.rows[0]
    assert ran.pairs == vecsim("query", index, "--url", "pics/1.jpg").pairs
    assert "orientation" not in vecsim("query", index, "--id", "1").rows[0]


def test_top_k_counts_a_reference_once_whatever_its_orientations(
    vecsim, index: Path, turned
) -> None:
    ran = vecsim("query", index, "--url", turned, "-k", "6", "--orientations", "all")
    assert sorted(pair[1] for pair in ran.pairs) == ["1", "2", "3", "4", "5", "6"]
    assert ran.pairs[0][1] == "4"
    as_it_is = vecsim("query", index, "--url", turned, "-k", "6", "--orientations", "none").pairs
    scores = dict(pair[1:] for pair in as_it_is)
    assert all(score >= scores[reference] for _, reference, score in ran.pairs)
