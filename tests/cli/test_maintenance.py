"""Maintenance: info, failures, retry, remove, compact, models, and limits on downloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.servers import HostileServer, good, in_turn, status


@pytest.fixture
def shop(vecsim, server: HostileServer) -> Path:
    """An index of three images: loaded, a 404 the first time only, and a 404 each time."""
    picture = server.routes["/2.jpg"]
    server.routes["/late.jpg"] = in_turn(status(404), picture)
    rows = [f"{name},{server.url(f'/{name}.jpg')},{name}'s\n" for name in ("1", "late", "gone")]
    Path("shop.csv").write_text("id,url,title\n" + "".join(rows))

    ran = vecsim("build-index", "shop", "shop.csv")

    assert ran.status == 3
    assert ran.err == (
        "shop: 1 added, 2 failed (2 http).\n"
        f"  127.0.0.1:{server.port}: 2 http 404\n"
        "`vecsim failures shop` lists them, `vecsim retry shop` tries them again.\n"
    )
    return Path("shop")


def test_info_shows_the_contents_of_an_index(vecsim, index: Path) -> None:
    told = dict(line.split(maxsplit=1) for line in vecsim("info", index).out.splitlines())

    assert told.pop("size:") in ("0.1 MB", "0.2 MB")
    assert told == {
        "index:": "six",
        "images:": "6",
        "model:": "phash (64 dimensions, smooth-128-L-v3)",
        "threshold:": "0.6875 (of its model)",
        "fields:": "title",
        "failures:": "0",
        "segments:": "1",
        "sources:": "0",
    }


def test_info_as_json(vecsim, shop: Path) -> None:
    told = json.loads(vecsim("info", shop, "--json").out)

    assert (told["images"], told["failures"], told["fields"]) == (1, {"http": 2}, ["title"])
    assert told["fingerprint"]["model"] == "phash"


def test_failures_can_be_added_as_a_list(vecsim, shop: Path) -> None:
    ran = vecsim("failures", shop, "--output", "failed.csv")
    rows = vecsim("failures", shop).rows

    assert ran.status == 0
    assert [(row["id"], row["title"], row["kind"], row["http_status"]) for row in rows] == [
        ("late", "late's", "http", "404"),
        ("gone", "gone's", "http", "404"),
    ]
    assert vecsim("add", shop, "failed.csv").err.startswith("shop: 0 added, 2 already known.\n")
    assert vecsim("build-index", "other", "failed.csv").err.startswith("other: 1 added, 1 failed")
    assert json.loads(vecsim("info", "other", "--json").out)["fields"] == ["title"]


def test_adding_a_corrected_list_of_failures(vecsim, shop: Path, server) -> None:
    server.routes["/moved.jpg"] = server.routes["/3.jpg"]
    text = vecsim("failures", shop).out.replace("/gone.jpg", "/moved.jpg")
    Path("mended.csv").write_text(text)

    ran = vecsim("add", shop, "mended.csv")

    assert (ran.status, ran.err.splitlines()[0]) == (0, "shop: 1 added, 1 already known.")
    assert [row["id"] for row in vecsim("failures", shop).rows] == ["late"]


def test_retry_tries_only_failed_images(vecsim, shop: Path, server: HostileServer) -> None:
    ran = vecsim("retry", shop)

    assert ran.status == 3
    assert "shop: 1 added, 1 failed (1 http)." in ran.err
    assert server.seen.paths == {"/1.jpg": 1, "/late.jpg": 2, "/gone.jpg": 2}
    assert [pair[1] for pair in vecsim("query", shop, "--id", "1", "-t", "-1").pairs] == ["late"]


def test_repeating_a_finished_build_downloads_nothing(
    vecsim, shop: Path, server: HostileServer
) -> None:
    before = vecsim("match", shop, "-t", "-1").out, dict(server.seen.paths)

    ran = vecsim("build-index", "shop", "shop.csv")

    assert ran.status == 0
    assert ran.err == (
        "shop: 0 added, 3 already known.\n"
        "2 images failed in an earlier run: `vecsim retry shop` tries them again.\n"
    )
    assert (vecsim("match", shop, "-t", "-1").out, dict(server.seen.paths)) == before


def test_removed_images_are_in_no_result(vecsim, index: Path) -> None:
    Path("sold.csv").write_text("id,url\n2,x\n6,x\n")

    one = vecsim("remove", index, "1")
    more = vecsim("remove", index, "--from", "sold.csv")

    assert (one.err, more.err) == ("six: 1 removed.\n", "six: 2 removed.\n")
    assert vecsim("match", index).pairs == []
    assert vecsim("query", index, "--id", "1").status == 1
    assert vecsim("remove", index, "1", "3", "--missing-ok").err == "six: 1 removed.\n"


def test_removing_and_adding_again_gives_the_same_matches(vecsim, index: Path, pictures) -> None:
    before = sorted(vecsim("match", index, index).pairs)
    Path("back.csv").write_text("id,url\n3,pics/3.jpg\n")

    vecsim("remove", index, "3")
    vecsim("add", index, "back.csv")

    assert sorted(vecsim("match", index, index).pairs) == before


def test_compact_frees_the_space_of_removed_images(vecsim, index: Path) -> None:
    before = vecsim("match", index, "-t", "-1").pairs
    vecsim("remove", index, "2")

    ran = vecsim("compact", index)

    assert ran.status == 0
    assert ran.err.startswith("six: 1 segment became 1, ")
    assert vecsim("info", index, "--json").out.count('"removed": 0') == 1
    after = vecsim("match", index, "-t", "-1").pairs
    assert after == [pair for pair in before if "2" not in pair[:2]]


def test_models_lists_names_and_thresholds(vecsim) -> None:
    rows = {row["name"]: row for row in vecsim("models").rows}

    assert rows["phash"]["dim"] == "64"
    assert rows["mobilenet"]["threshold"] == "0.845"
    assert {"mobilenet-0.75-224", "mobilenet-0.25-128"} <= set(rows)


def test_a_second_writer_gets_the_process_of_the_first(vecsim, index: Path, second: Path) -> None:
    import os

    from vecsim.index.writer import Writer

    with Writer(index):
        ran = vecsim("add", index, second)
        asked = vecsim("query", index, "--id", "1")

    assert ran.status == 75
    assert f"six: process {os.getpid()} (since " in ran.err
    assert "is writing to this index. Try again when it is done, or use --wait or" in ran.err
    assert asked.status == 0


def test_headers_and_user_agent_are_sent(vecsim, server: HostileServer) -> None:
    Path("one.csv").write_text(f"url\n{server.url('/1.jpg')}\n")

    ran = vecsim(
        *("build-index", "new", "one.csv", "--header", "X-Shop: abc", "--user-agent", "me/1")
    )

    assert ran.status == 0
    _, headers = server.seen.headers[0]
    assert (headers["X-Shop"], headers["User-Agent"]) == ("abc", "me/1")


def test_public_only_refuses_private_addresses_and_files(
    vecsim, server: HostileServer, pictures: Path
) -> None:
    rows = [server.url("/1.jpg"), str(pictures / "1.jpg"), (pictures / "2.jpg").as_uri()]
    Path("evil.csv").write_text("url\n" + "\n".join(rows) + "\n")

    ran = vecsim("build-index", "new", "evil.csv", "--public-only")

    assert ran.status == 3
    assert "0 added, 3 failed" in ran.err
    assert not server.seen.paths


def test_a_large_file_is_refused(vecsim, server: HostileServer) -> None:
    server.routes["/big.jpg"] = good(bytes(5000))
    Path("big.csv").write_text(f"url\n{server.url('/big.jpg')}\n")

    ran = vecsim("build-index", "new", "big.csv", "--max-bytes", "4000")

    assert "1 failed (1 too-large)" in ran.err


def test_a_picture_of_many_pixels_is_refused(vecsim, pictures: Path) -> None:
    ran = vecsim("build-index", "new", pictures, "--max-pixels", "1000")

    assert "6 failed (6 too-large)" in ran.err
    assert "more than 1,000 pixels" in vecsim("failures", "new").rows[0]["message"]
