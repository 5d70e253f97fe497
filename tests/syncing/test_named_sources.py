"""Sources by name: `build-index` and `add` record it, `sync` follows it, `info` shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import run_here as run
from support.on_disk import file_names, rows
from vecsim import Index

Write = Callable[..., Path]


def listed(folder: Path, *numbers: int) -> list[tuple[str, Path, str]]:
    return [(f"p{n}", folder / ("a" if n < 5 else "b") / f"{n}.png", f"title {n}") for n in numbers]


@pytest.mark.parametrize("command", ["build-index", "add"])
def test_a_source_keeps_its_name_under_another_path(
    command: str, folder: Path, tmp_path: Path, write_list: Write
) -> None:
    index = tmp_path / "index"
    if command == "add":
        run("build-index", index, write_list("empty.csv"))
    first = write_list("monday.csv", *listed(folder, *range(10)))
    run(command, index, first, "--name", "shop")
    assert rows(index, "SELECT name, place FROM sources") == [("shop", str(first))]

    second = write_list("tuesday.csv", *listed(folder, *range(9)))
    assert "9 listed; 1 removed." in run("sync", index, second, "--name", "shop")
    assert rows(index, "SELECT name, place FROM sources") == [("shop", str(second))]


def test_one_name_for_several_sources_is_refused(
    folder: Path, tmp_path: Path, write_list: Write
) -> None:
    lists = [write_list("one.csv", *listed(folder, 1)), write_list("two.csv", *listed(folder, 2))]
    for command in ("build-index", "add", "sync"):
        printed = run(command, tmp_path / "index", *lists, "--name", "shop", status=2)
        assert "One name was given for several sources" in printed
    assert "name of a source is empty" in run(
        "build-index", tmp_path / "index", lists[0], "--name", " ", status=2
    )
    assert not (tmp_path / "index").exists()


def test_info_shows_the_sources(folder: Path, tmp_path: Path, write_list: Write) -> None:
    index = tmp_path / "index"
    shop = write_list("shop.csv", *listed(folder, 1, 2))
    run("build-index", index, folder)
    run("add", index, shop, "--name", "shop")
    own = [("own", folder / "a" / "0.png", "")]
    with Index.open(index) as opened:
        opened.add([str(url) for _, url, _ in own])  # known, as the folder's
        opened.add([(folder / "a" / "0.png").as_uri()])
    printed = run("info", index)
    assert printed.endswith(
        f"sources:   2\n  {folder}: 10 images, no sync yet\n"
        f"  shop ({shop}): 2 images, no sync yet\n  of no source: 1 image\n"
    )
    run("sync", index, folder)
    synced = rf"  {folder}: 10 images, last sync \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\n"
    assert re.search(synced, run("info", index))
    found = json.loads(run("info", index, "--json"))
    assert [(each["name"], each["images"]) for each in found["sources"]] == [
        (str(folder), 10),
        ("shop", 2),
    ]
    assert found["without_source"] == 1


@pytest.mark.ci
def test_the_library_names_sources_too(folder: Path, tmp_path: Path, write_list: Write) -> None:
    shop = write_list("shop.csv", *listed(folder, 1, 2, 3, 4, 5))
    with Index.create(tmp_path / "index", "phash") as index:
        index.add(shop, name="shop")
        index.add([str(path) for _, path, _ in listed(folder, 6, 7)], name="mine")
        shop.write_text("".join(shop.read_text().splitlines(True)[:-1]))
        assert index.sync(shop, name="shop").removed == 1
    assert len(file_names(tmp_path / "index")) == 6
    assert rows(tmp_path / "index", "SELECT name FROM sources ORDER BY number") == [
        ("shop",),
        ("mine",),
    ]


def test_info_of_an_index_of_an_earlier_format_counts_no_sources(tmp_path: Path) -> None:
    import shutil

    golden = Path(__file__).parents[1] / "index" / "golden"
    index = shutil.copytree(next(golden.glob("v3*")), tmp_path / "old")
    assert "sources:   0\n" in run("info", index)
