"""`vecsim repair`: damaged files are set aside, the rest is kept, lost images are fetched again."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from support.on_disk import content, segment_files
from support.servers import HostileServer


@pytest.fixture
def shop(vecsim, server: HostileServer) -> Path:
    """An index of all six pictures in two segments, ids 1 to 4 and 5 and 6, and of a 404."""
    for name, numbers in (("first", "1234"), ("second", "56x")):
        with Path(f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "url", "title"])
            writer.writerows([n, server.url(f"/{n}.jpg"), f"picture {n}"] for n in numbers)
    assert vecsim("build-index", "shop", "first.csv").status == 0
    assert vecsim("build-index", "shop", "second.csv").status == 3
    assert len(segment_files(Path("shop"))) == 2
    return Path("shop")


def flip(file: Path, at: int = -20) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_an_undamaged_index_stays_unchanged(vecsim, shop: Path) -> None:
    before = content(shop)

    ran = vecsim("repair", shop)

    assert (ran.status, ran.out, ran.err) == (0, "", "shop: nothing is damaged.\n")
    assert content(shop) == before
    assert not (shop / "damaged").exists()


@pytest.mark.parametrize("command", [("retry", "shop"), ("build-index", "shop", "second.csv")])
def test_a_lost_segment_is_fetched_again(command, vecsim, shop: Path, server) -> None:
    before, requests = content(shop), dict(server.seen.paths)
    segment = segment_files(shop)[1]
    damaged = bytearray(segment.read_bytes())
    damaged[200] ^= 1
    segment.write_bytes(damaged)
    assert vecsim("verify", shop).err.endswith("the rest with: vecsim repair shop\n")

    ran = vecsim("repair", shop)

    assert ran.status == 3
    assert ran.out == f"{segment}: damaged: its SHA-256 is not the one the catalog recorded\n"
    assert "shop: 4 images kept." in ran.err
    assert "2 images lost: `vecsim failures shop` lists them, `vecsim retry shop`" in ran.err
    assert (shop / "damaged" / "1" / segment.name).read_bytes() == damaged
    assert vecsim("verify", shop).status == 0
    lost = [row for row in vecsim("failures", shop).rows if row["kind"] == "lost"]
    assert [(row["id"], row["title"]) for row in lost] == [("5", "picture 5"), ("6", "picture 6")]
    assert [row["url"] for row in lost] == [server.url("/5.jpg"), server.url("/6.jpg")]

    vecsim(*command)

    assert content(shop) == before
    assert [row["id"] for row in vecsim("failures", shop).rows] == ["x"]
    again = {path for path, count in server.seen.paths.items() if count > requests[path]}
    assert again - {"/x.jpg"} == {"/5.jpg", "/6.jpg"}
    assert vecsim("verify", shop).status == 0
    assert vecsim("repair", shop).err == "shop: nothing is damaged.\n"


def test_a_changed_row_of_the_catalog_is_found_and_fetched_again(vecsim, shop: Path) -> None:
    before = content(shop)
    data = (shop / "catalog.db").read_bytes()
    flip(shop / "catalog.db", data.index(b"picture 3"))

    found = vecsim("verify", shop)
    ran = vecsim("repair", shop)

    assert found.status == 1
    assert found.out == "shop/catalog.db: images: the row of 3 is damaged (its checksum is wrong)\n"
    assert ran.status == 3
    assert "5 images kept." in ran.err
    assert "1 vector dropped: the rows of their images are lost" in ran.err
    assert (shop / "damaged" / "1" / "catalog.db").is_file()
    assert vecsim("verify", shop).status == 0
    assert vecsim("build-index", "shop", "first.csv").err.startswith(
        "shop: 1 added, 3 already known"
    )
    assert sorted(content(shop)) == sorted(before)


@pytest.mark.ci
def test_a_catalog_without_its_first_page_or_its_settings_is_recovered(vecsim, shop: Path) -> None:
    before = content(shop)
    data = (shop / "catalog.db").read_bytes()
    page = int.from_bytes(data[16:18], "big")
    for start in range(0, len(data), page):
        copy = Path(f"copy{start}")
        shutil.copytree(shop, copy)
        (copy / "catalog.db").write_bytes(data[:start] + bytes(page) + data[start + page :])

        ran = vecsim("repair", copy)

        assert ran.status in (0, 3), ran.err
        assert "unexpected" not in ran.err
        assert vecsim("verify", copy).status == 0
        kept = content(copy)
        assert set(kept) <= set(before)
        assert vecsim("build-index", copy, "first.csv").status in (0, 3)
        assert vecsim("build-index", copy, "second.csv").status in (0, 3)
        assert sorted(content(copy)) == sorted(before)


def test_an_unreadable_catalog_is_not_replaced(vecsim, shop: Path) -> None:
    (shop / "catalog.db").write_bytes(b"not a database at all" * 1000)
    before = sorted(shop.rglob("*"))

    ran = vecsim("repair", shop)

    assert ran.status == 1
    assert ran.err.startswith("Error: shop/catalog.db: nothing can be read from it")
    assert "Restore it from a backup" in ran.err
    assert sorted(shop.rglob("*")) == before


def test_an_older_copy_of_the_catalog_is_refused(vecsim, shop: Path, server) -> None:
    """A writer would otherwise delete the segments that an older catalog does not list."""
    old = (shop / "catalog.db").read_bytes()
    Path("more.csv").write_text(f"id,url\na,{server.url('/1.jpg')}?a\nb,{server.url('/2.jpg')}?b\n")
    server.routes["/1.jpg?a"] = server.routes["/3.jpg"]
    server.routes["/2.jpg?b"] = server.routes["/4.jpg"]
    vecsim("add", shop, "first.csv")
    for line in (1, 2):
        rows = Path("more.csv").read_text().splitlines()
        Path("one.csv").write_text(f"{rows[0]}\n{rows[line]}\n")
        assert vecsim("add", shop, "one.csv").status == 0
    before = sorted(content(shop))
    segments = {file.name for file in (shop / "segments").iterdir()}
    (shop / "catalog.db").write_bytes(old)

    refused = vecsim("remove", shop, "1")
    found = vecsim("verify", shop)

    assert refused.status == found.status == 1
    assert "older than its segments" in refused.err
    assert "of a commit that the catalog has lost" in found.out
    assert {file.name for file in (shop / "segments").iterdir()} == segments
    assert vecsim("repair", shop).status == 0
    assert vecsim("verify", shop).status == 0
    assert vecsim("add", shop, "more.csv").status == 0
    assert sorted(content(shop)) == before
    kept = {file.name for file in shop.rglob("*.faiss")}
    assert segments <= kept, "set aside, never deleted"


def test_repair_refuses_while_a_reader_is_open(vecsim, shop: Path) -> None:
    from vecsim import Index

    with Index.open(shop):
        ran = vecsim("repair", shop)
    assert ran.status == 75
    assert "open for reading. Close what reads it" in ran.err
