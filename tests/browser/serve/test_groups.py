"""The Groups page of `vecsim serve`: decisions are stored in the index, and applied to files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.review_page import kept, settle, states
from support.serve_page import TIMEOUT_MS, expect
from support.web_server import PICTURES, Server, serving
from vecsim import Index
from vecsim.index.writer import Writer
from vecsim.operations import deciding


def open_groups(page, server: Server, name: str) -> None:
    page.goto(f"{server.url}i/{name}/groups")
    page.wait_for_selector("html[data-state=ready]")
    settle(page)


def stored(page) -> None:
    """Wait until the page says that all is stored."""
    expect(page.locator("#stored")).to_have_text(
        "Decisions are stored in the index.", timeout=TIMEOUT_MS
    )


def verdicts(index: Path) -> list[tuple[str, str, str]]:
    listed, _ = deciding.list_decisions(index)
    return sorted((*sorted((d.first.id, d.second.id)), d.decision.verdict) for d in listed)


@pytest.mark.ci
def test_decisions_are_stored_in_the_index_and_undone(page, copy: Path) -> None:
    with serving(copy, allow_writes=True) as server:
        open_groups(page, server, "six")
        page.keyboard.press("j")
        page.keyboard.press("2")
        page.keyboard.press("a")
        page.wait_for_timeout(600)
        stored(page)
        assert verdicts(copy) == [("1", "2", "same"), ("1", "3", "same")]
        page.keyboard.press("n")
        page.keyboard.press("z")
        page.keyboard.press("k")
        page.keyboard.press("n")
        page.wait_for_timeout(600)
        stored(page)
        assert [verdict for *_, verdict in verdicts(copy)] == ["different"] * 3
        page.keyboard.press("z")
        page.wait_for_timeout(600)
        stored(page)
        assert verdicts(copy) == [("1", "2", "same"), ("1", "3", "same")]

        page.evaluate("localStorage.clear()")  # as in the browser of another person
        open_groups(page, server, "six")
        assert states(page) == ["accepted", "open"]
        assert kept(page, 1) == ["1.jpg"]
        page.keyboard.press("z")
        assert page.inner_text("#said") == "There is nothing to undo."


@pytest.mark.ci
def test_contradictions_are_shown(page, copy: Path) -> None:
    deciding.decide(copy, [("1", "2", "different"), ("1", "3", "same")])
    with serving(copy, allow_writes=True) as server:
        server.client.post(
            server.api("indexes/six/decisions"),
            json={"decisions": [{"first": "3", "second": "2", "verdict": "same"}]},
        )
        open_groups(page, server, "six")
        page.click("#contradictions summary")
        said = page.inner_text("#contradictions")
        assert "1 contradiction" in said and "are different" in said


@pytest.mark.ci
def test_a_locked_index_is_tried_again(page, copy: Path) -> None:
    with serving(copy, allow_writes=True) as server:
        open_groups(page, server, "six")
        with Writer(copy):
            page.keyboard.press("j")
            page.keyboard.press("a")
            expect(page.locator("#stored")).to_contain_text("trying again", timeout=TIMEOUT_MS)
        stored(page)
        assert len(verdicts(copy)) == 2


@pytest.mark.ci
def test_a_read_only_server_says_where_decisions_stay(page, copy: Path) -> None:
    with serving(copy) as server:
        open_groups(page, server, "six")
        page.keyboard.press("j")
        page.keyboard.press("a")
        assert "read-only" in page.inner_text("#stored")
        assert page.locator("#apply").count() == 0
    assert verdicts(copy) == []


@pytest.mark.ci
def test_typing_a_threshold_decides_nothing(page, copy: Path) -> None:
    with serving(copy) as server:
        open_groups(page, server, "six")
        page.keyboard.press("j")
        page.locator("#threshold").press_sequentially("2")
        assert kept(page, 1) == ["3.jpg"]


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A copy of the index of pictures that the test may change."""
    return Path(shutil.copytree(built, tmp_path / "six"))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server that may act on files, and the folder of the pictures 1 to 3 with copies."""
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    for n in (1, 5):
        for name in (f"{n}.jpg", f"copy-{n}.jpg"):
            shutil.copy2(PICTURES / f"{n}.jpg", pictures / name)
    with Index.create(tmp_path / "shelf", model="phash") as index:
        index.add(sorted(pictures.iterdir()))
    with serving(tmp_path / "shelf", allow_files=True) as server:
        yield server, pictures


@pytest.mark.ci
def test_files_are_moved_after_they_were_shown_and_brought_back(
    page, shelf: tuple[Server, Path]
) -> None:
    server, pictures = shelf
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    open_groups(page, server, "shelf")
    assert page.is_disabled("#apply")
    page.click("#accept-all")
    page.click("#apply")
    assert "2 pictures given up" in page.inner_text("#files-what")
    page.select_option("#method", "move")
    page.fill("#to-folder", str(pictures.parent / "away"))
    page.click("#files-check")
    page.click("#files-do:has-text('Move 2 files')")
    expect(page.locator("#files-result")).to_contain_text("2 files moved", timeout=TIMEOUT_MS)
    assert len(list(pictures.iterdir())) == 2
    page.keyboard.press("Escape")
    page.wait_for_selector("html[data-state=ready]")
    expect(page.locator("#groups")).to_contain_text("There are no groups", timeout=TIMEOUT_MS)

    page.click("#apply")
    page.click("#files-undo")
    expect(page.locator("#files-result")).to_contain_text("2 files brought back")
    assert {path.name: path.read_bytes() for path in pictures.iterdir()} == before
    page.click("#files-close")
    page.wait_for_selector("html[data-state=ready]")
    expect(page.locator(".review-group")).to_have_count(2, timeout=TIMEOUT_MS)
