"""What a person decides on pages is acted on: exported lists go through the real commands."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.commands import run_here as run
from support.review_page import press, settle
from support.trees import whole_tree
from vecsim import match
from vecsim.sources.formula_guard import guard_formulas

PAIR = ("1.jpg", "3.jpg")
PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures 1 to 6, of which 1, 2 and 3, and 5 and 6 are two groups, indexed at `idx`."""
    monkeypatch.setenv("VECSIM_MODEL", "phash")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PICTURES, "Pictures")
    run("build-index", "idx", "Pictures")
    return tmp_path / "Pictures"


def show(page: Any, path: str) -> None:
    page.goto(Path(path).absolute().as_uri())
    page.wait_for_selector("html[data-state]")
    settle(page)


def save(page: Any, ask: Callable[[], None]) -> str:
    """Save what the page offers to download in the current folder; returns its name."""
    with page.expect_download() as download:
        ask()
    name = str(download.value.suggested_filename)
    download.value.save_as(name)
    return name


def rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_reviewed_group_is_cleaned_and_the_other_remembered(page: Any, folder: Path) -> None:
    before = whole_tree(folder)
    run("cluster", "idx", "--report", "groups.html", "--output", "groups.csv")
    proposed = rows("groups.csv")
    show(page, "groups.html")
    # The second picture of the first group is kept instead of the first; the other is no group.
    press(page, "j", "2", "a", "j", "n")
    decided = save(page, lambda: page.keyboard.press("e"))
    verdicts = save(page, lambda: page.click("#export-verdicts"))

    assert (decided, verdicts) == ("decisions.csv", "verdicts.csv")
    first = [row["url"] for row in proposed if row["group"] == "1"]
    keeps = {row["url"]: row["keep"] for row in rows(decided)}
    assert [keeps.pop(url) for url in first] == ["no", "yes", "no"]
    assert set(keeps.values()) == {"yes"}, "all pictures that are no copies are kept"
    printed = run("apply", decided, "--index", "idx", "--move-to", "gone")
    assert "2 files moved." in printed
    assert not Path(first[0]).exists() and Path(first[1]).exists()
    assert "1 decision stored" in run("decisions", "idx", "--import", verdicts)
    assert "0 groups of 0 images" in run("cluster", "idx", "--output", "left.csv")
    run("undo", "decisions.journal")
    assert whole_tree(folder) == before
    assert "1 group of 3 images" in run("cluster", "idx", "--output", "left.csv")


def test_judged_pairs_are_remembered(page: Any, folder: Path) -> None:
    run("match", "idx", "--report", "pairs.html", "--output", "pairs.csv")
    show(page, "pairs.html")
    press(page, "j", "s", "d", "d", "s")
    judged = save(page, lambda: page.keyboard.press("e"))

    verdicts = {(row["query_id"], row["reference_id"]): row["verdict"] for row in rows(judged)}
    assert sorted(verdicts.values()) == ["different", "different", "same", "same"]
    assert "4 decisions stored" in run("decisions", "idx", "--import", judged)
    left = {(pair.query_id, pair.reference_id) for pair in match("idx")}
    assert left == {pair for pair, verdict in verdicts.items() if verdict == "same"}
    listed = run("remove", "idx", "--from", judged, status=1)
    assert f"vecsim decisions INDEX --import {judged}" in listed


FORMULAS = [
    "=1+1",
    "@x",
    "plain",
    "-0.5",
    "+49",
    "a;=b",
    "'=x",
    "' @",
    " =x",
    "x\n+1",
    "\t=",
    "\uff1da",
    "a=b",
]


def test_lists_for_excel_are_guarded_and_read_back(page: Any, folder: Path) -> None:
    listed = [f"=HYPERLINK({number}),{folder / name}" for number, name in enumerate(PAIR)]
    Path("list.csv").write_text("id,url\n" + "".join(f"{line}\n" for line in listed))
    run("build-index", "evil", "list.csv")
    run("match", "evil", "--report", "pairs.html", "--output", "pairs.csv")
    show(page, "pairs.html")
    guarded = page.evaluate("texts => texts.map(shared.guardFormulas)", FORMULAS)
    assert guarded == [guard_formulas(text) for text in FORMULAS]
    page.check("#excel")
    press(page, "j", "s")
    judged = save(page, lambda: page.keyboard.press("e"))

    text = Path(judged).read_text(encoding="utf-8")
    assert text.startswith("\ufeffquery_id,") and "\n'=HYPERLINK(0)," in text
    assert "1 decision stored" in run("decisions", "evil", "--import", judged)


def test_groups_for_excel_are_acted_on(page: Any, folder: Path) -> None:
    run("cluster", "idx", "--report", "groups.html", "--output", "groups.csv")
    show(page, "groups.html")
    page.check("#excel")
    press(page, "j", "a")
    decided = save(page, lambda: page.keyboard.press("e"))

    assert Path(decided).read_bytes().startswith(b"\xef\xbb\xbf")
    assert "2 files moved." in run("apply", decided, "--index", "idx", "--move-to", "gone")
