"""`vecsim sync` with lists: fields, URLs, failures, several sources."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import run_here as run
from support.on_disk import added_at, file_names, rows, state

Write = Callable[..., Path]
PAIR = re.compile(r"^p3,.*,copy,", re.MULTILINE)


@pytest.fixture
def shop(write_list: Write, folder: Path) -> Path:
    return write_list("shop.csv", *((f"p{n}", file_of(folder, n), f"t{n}") for n in range(10)))


@pytest.fixture
def index(shop: Path, tmp_path: Path) -> Path:
    path = tmp_path / "index"
    run("build-index", path, shop)
    return path


def file_of(folder: Path, number: int) -> Path:
    return folder / ("a" if number < 5 else "b") / f"{number}.png"


def failures(path: Path) -> dict[str, str]:
    return dict(rows(path, "SELECT id, kind FROM failures"))


def test_fields_are_written_without_a_download(index: Path, shop: Path) -> None:
    times = added_at(index)
    shop.write_text(shop.read_text().replace("t3", "new title").replace("title", "title", 1))
    assert "1 with other fields" in run("sync", index, shop)
    assert state(index)["p3"][1] == {"title": "new title"}
    assert added_at(index) == times
    run("verify", index)


def test_a_new_column_is_known_afterwards(index: Path, shop: Path) -> None:
    lines = shop.read_text().splitlines()
    shop.write_text("\n".join([lines[0] + ",price", *(line + ",5" for line in lines[1:])]) + "\n")
    assert "10 with other fields" in run("sync", index, shop)
    assert "title, price" in run("info", index)


def test_a_changed_url_is_fetched(index: Path, shop: Path, folder: Path, write_list: Write) -> None:
    times, vectors = added_at(index), state(index)
    same = folder / "same.png"
    same.write_bytes(file_of(folder, 2).read_bytes())
    other = folder / "other.png"
    other.write_bytes(file_of(folder, 9).read_bytes() + b" ")
    text = shop.read_text().replace(str(file_of(folder, 2)), str(same))
    shop.write_text(text.replace(str(file_of(folder, 4)), str(other)))
    printed = run("sync", index, shop)
    assert "1 moved, 1 changed" in printed
    now = state(index)
    assert now["p2"][0] == str(same) and now["p2"][2] == vectors["p2"][2]
    assert added_at(index)["p2"] == times["p2"]
    assert now["p4"][2] == vectors["p9"][2] and added_at(index)["p4"] > times["p4"]


def test_failures_of_rows_that_are_gone_are_dropped(shop: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    complete = shop.read_text()
    shop.write_text(complete + "bad,/nowhere.png,x\n")
    run("build-index", index, shop, status=3)
    assert failures(index) == {"bad": "no-file"}
    shop.write_text(complete)
    assert "1 old failure dropped" in run("sync", index, shop)
    assert failures(index) == {}


@pytest.mark.parametrize("command", ["sync", "add"])
def test_a_failure_is_dropped_when_the_stored_url_comes_back(
    command: str, index: Path, shop: Path, folder: Path
) -> None:
    before = shop.read_text()
    shop.write_text(before.replace(str(file_of(folder, 2)), "/nowhere.png"))
    replace = ["--on-duplicate", "replace"] if command == "add" else []
    run(command, index, shop, *replace, status=3)
    assert failures(index) == {"p2": "no-file"}
    assert state(index)["p2"][0] == str(file_of(folder, 2))
    shop.write_text(before)
    run(command, index, shop)
    assert failures(index) == {}


def test_add_writes_new_fields_only_under_replace(index: Path, shop: Path) -> None:
    shop.write_text(shop.read_text().replace("t3", "new title"))
    run("add", index, shop)
    assert state(index)["p3"][1] == {"title": "t3"}
    assert "1 with other fields" in run("add", index, shop, "--on-duplicate", "replace")
    assert state(index)["p3"][1] == {"title": "new title"}
    run("verify", index)


def test_a_list_that_is_refused_changes_nothing(index: Path, shop: Path) -> None:
    before = state(index)
    shop.write_text("id,title\np1,shoe\np2,hat\n")
    assert "does not look like URLs" in run("sync", index, shop, status=1)
    assert state(index) == before


def test_a_broken_row_removes_nothing(index: Path, shop: Path) -> None:
    before = state(index)
    lines = shop.read_text().replace("p5,", "p5,,,,", 1).splitlines()
    shop.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    said = run("sync", index, shop, status=3)
    assert "1 row broken" in said and "nothing was removed" in said
    assert state(index) == before
    assert list(failures(index).values()) == ["bad-row"]


def test_rows_without_a_url_keep_their_image(index: Path, shop: Path, folder: Path) -> None:
    shop.write_text(shop.read_text().replace(str(file_of(folder, 5)), ""))
    run("sync", index, shop, status=3)
    assert len(file_names(index)) == 10
    assert failures(index) == {"p5": "bad-url"}


def test_rows_without_id_and_url_remove_nothing(index: Path, shop: Path, folder: Path) -> None:
    lines = shop.read_text().splitlines()
    lines[3] = ",,t"
    shop.write_text("\n".join(lines) + "\n")
    assert "nothing was removed" in run("sync", index, shop, status=3)
    assert len(file_names(index)) == 10


def test_two_sources_share_an_image(
    index: Path, shop: Path, folder: Path, write_list: Write
) -> None:
    more = write_list("more.csv", ("p1", file_of(folder, 1), "mine"), ("x", folder / "x.png", "x"))
    (folder / "x.png").write_bytes(file_of(folder, 0).read_bytes())
    run("sync", index, more)
    assert file_names(index) == sorted([*(f"p{n}" for n in range(10)), "x"])
    assert state(index)["p1"][1] == {"title": "t1"}, "fields are those of the first source"

    without = "".join(
        line for line in shop.read_text().splitlines(True) if not line.startswith("p1,")
    )
    shop.write_text(without)
    assert "1 released to another source" in run("sync", index, shop)
    assert "p1" in file_names(index)
    assert "1 with other fields" in run("sync", index, more)
    assert state(index)["p1"][1] == {"title": "mine"}
    more.write_text("id,url,title\n")
    assert "2 removed" in run("sync", index, more, "--allow-empty")
    assert file_names(index) == sorted(f"p{n}" for n in range(10) if n != 1)


def test_each_source_may_lose_its_own_share_only(
    index: Path, shop: Path, folder: Path, write_list: Write
) -> None:
    more = write_list("more.csv", *((f"x{n}", file_of(folder, n), "x") for n in range(4)))
    run("sync", index, shop, more)
    before = state(index)
    more.write_text("".join(more.read_text().splitlines(True)[:-1]))
    shop.write_text(shop.read_text().replace("t3", "new title"))
    printed = run("sync", index, shop, more, status=1)
    assert f"{more}: no longer lists 1 of its 4 images (25 %), more than the 20 %" in printed
    assert state(index) == before, "nothing of the other source was changed either"


def test_an_id_with_two_urls_is_a_failure_that_names_both(
    index: Path, shop: Path, folder: Path, write_list: Write
) -> None:
    other = write_list("other.csv", ("p1", file_of(folder, 6), "x"), ("new", "/none.png", "y"))
    text = shop.read_text()
    for _ in range(2):  # the next run finds the same
        run("sync", index, shop, other, "--max-remove", "100", status=3)
        kinds = failures(index)
        assert kinds == {"p1": "conflict", "new": "no-file"}
        ((message,),) = rows(index, "SELECT message FROM failures WHERE id = 'p1'")
        assert str(shop) in message and "other.csv line 2" in message
        assert state(index)["p1"][0] == str(file_of(folder, 1))
    assert "conflict" not in run("retry", index, status=3)
    shop.write_text("".join(x for x in text.splitlines(True) if not x.startswith("p1,")))
    run("sync", index, shop, status=0)
    run("sync", index, other, status=0)
    assert state(index)["p1"][0] == str(file_of(folder, 6))
    assert failures(index) == {"new": "no-file"}


def test_an_id_listed_twice_with_two_urls_is_a_failure(
    index: Path, shop: Path, folder: Path
) -> None:
    shop.write_text(shop.read_text() + f"p1,{file_of(folder, 7)},t1\np2,{file_of(folder, 2)},t2\n")
    for _ in range(2):
        assert "1 failed (1 conflict)" in run("sync", index, shop, status=3)
        assert failures(index) == {"p1": "conflict"}
    assert state(index)["p1"][0] == str(file_of(folder, 1))


def test_images_without_a_source_stay_unless_adopted(index: Path, shop: Path, folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "vecsim", "add", str(index), "-"],
        input=f"id,url\nown,{file_of(folder, 0)}\n",
        text=True,
        check=True,
    )
    run("sync", index, shop)
    assert "own" in file_names(index)
    run("sync", index, shop, "--adopt")
    assert file_names(index) == sorted(f"p{n}" for n in range(10))


def test_a_named_source_may_have_another_path_each_night(
    tmp_path: Path, shop: Path, write_list: Write
) -> None:
    index = tmp_path / "index"
    run("build-index", index, write_list("empty.csv"))
    run("sync", index, shop, "--name", "shop")
    tonight = tmp_path / "tonight.csv"
    tonight.write_text("".join(shop.read_text().splitlines(True)[:-1]))
    assert "1 removed" in run("sync", index, tonight, "--name", "shop")
    assert rows(index, "SELECT name FROM sources WHERE synced_at <> ''") == [("shop",)]


def test_standard_input_needs_a_name(index: Path, shop: Path) -> None:
    assert "give the source a name" in run("sync", index, "-", status=2)


def test_checksums_of_all_rows_hold(index: Path, shop: Path) -> None:
    run("sync", index, shop)
    assert rows(index, "SELECT count(*) FROM owners") == [(10,)]
    run("verify", index)
    assert len(state(index)) == 10


def test_a_file_that_no_list_names_matches_only_when_it_is_listed_again(
    index: Path, shop: Path, folder: Path, tmp_path: Path
) -> None:
    copy = folder / "copy.png"
    copy.write_bytes(file_of(folder, 3).read_bytes())
    lines = shop.read_text()
    shop.write_text(f"{lines}copy,{copy},t\n")
    run("sync", index, shop)
    assert PAIR.search(run("match", index, "-f", "csv"))

    shop.write_text(lines)
    assert "1 marked as missing" in run("sync", index, shop, "--keep-missing")
    assert copy.exists()
    assert not PAIR.search(run("match", index, "-f", "csv"))
    assert PAIR.search(run("match", index, "-f", "csv", "--show-all"))
    assert "marked" not in run("sync", index, shop, "--keep-missing")
    run("build-index", tmp_path / "anew", "--from", index)
    assert not PAIR.search(run("match", tmp_path / "anew", "-f", "csv"))

    shop.write_text(f"{lines}copy,{copy},t\n")
    run("sync", index, shop, "--keep-missing")
    assert PAIR.search(run("match", index, "-f", "csv"))
