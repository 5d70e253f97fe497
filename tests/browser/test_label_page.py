"""The label page in a browser: answering, undoing, storing and exporting labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.html_pages import CONTRAST, HOSTILE, row, webp
from vecsim.index.match_blocks import MatchBlock
from vecsim.operations.calibrating.sampling import Sample
from vecsim.records import Int64
from vecsim.render.report import ReportHead, write_label_page
from vecsim.results import Pairs

PAIRS = [(1, 2, 0.95), (1, 3, 0.9), (4, 5, 0.81), (2, 3, 0.7)]
STRATA: Int64 = np.array([(1900, 2001), (1900, 2001), (1800, 1900), (1600, 1800)])


def write(path: Path, pairs: list[tuple[int, int, float]] = PAIRS, id_: str = "i") -> Path:
    """Write a label page for images i1, i2, … of one index; image 5 has no picture."""
    query, reference, score = (np.array(column) for column in zip(*pairs, strict=True))
    keys = {*query.tolist(), *reference.tolist()}
    rows = {key: row(key, f"{id_}{key}", title=f"title, of {key}") for key in keys}
    drawn = Sample(MatchBlock(Pairs(query, reference, score), rows, rows), STRATA[: len(pairs)])
    head = ReportHead("Same or different? shop", (), ["title"], ["title"], itself=True)

    def pictures(keys: Any) -> dict[int, bytes]:
        return {key: webp(key) for key in keys if key != 5}

    write_label_page(path, head, drawn, pictures, pictures, answers="answers-2.csv")
    return path


@pytest.fixture
def show(page: Any, tmp_path: Path) -> Callable[..., Any]:
    """Write a page to a file and open it."""

    def show(**options: Any) -> Any:
        page.goto(write(tmp_path / "label.html", **options).as_uri())
        page.wait_for_selector("html[data-state=ready]")
        return page

    return show


def shown(page: Any) -> list[str]:
    return page.locator("#pair figcaption strong").all_inner_texts()


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def exported(page: Any, ask: Callable[[], None]) -> list[dict[str, str]]:
    with page.expect_download() as download:
        ask()
    assert download.value.suggested_filename == "answers-2.csv"
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))


def test_a_pair_is_shown_without_score_and_without_network(show, watched) -> None:
    page = show()
    assert shown(page) == ["i1", "i2"]
    assert page.inner_text("#count") == "Pair 1 of 4 · 0 same · 0 different · 0 skipped"
    picture = page.locator("#pair img").first
    assert picture.evaluate("(i) => i.decode().then(() => i.naturalWidth)") == 40
    assert "title, of 1" in page.inner_text("#pair")
    assert "0.95" not in page.inner_text("body")
    assert page.is_disabled("#back") and page.is_disabled("#export")
    assert watched.hosts == set()


def test_labelling_by_keyboard(show) -> None:
    page = show()
    press(page, "s", "d", "Space", "s")
    assert page.is_visible("#done")
    assert "--labels answers-2.csv" in page.inner_text("#done")
    assert page.inner_text("#count") == "2 same · 1 different · 1 skipped"
    rows = exported(page, lambda: press(page, "e"))
    assert list(rows[0].items()) == [
        ("query_id", "i1"),
        ("reference_id", "i2"),
        ("score", "0.950000"),
        ("stratum_from", "0.9"),
        ("stratum_to", "1.001"),
        ("answer", "same"),
    ]
    assert [r["answer"] for r in rows] == ["same", "different", "skip", "same"]


def test_an_answer_can_be_undone_and_changed(show) -> None:
    page = show()
    press(page, "s", "s", "b")
    assert shown(page) == ["i1", "i3"]
    assert page.get_attribute("#same", "aria-pressed") == "true"
    press(page, "d")
    assert page.inner_text("#count") == "Pair 3 of 4 · 1 same · 1 different · 0 skipped"
    press(page, "Backspace", "ArrowLeft")
    assert shown(page) == ["i1", "i2"]
    press(page, "d")  # on to what is still open, not through what is answered
    assert shown(page) == ["i4", "i5"]
    assert "no thumbnail" in page.inner_text("#pair")


def test_going_back_after_the_last_pair(show) -> None:
    page = show()
    press(page, "s", "s", "s", "s", "b", "Space")
    rows = exported(page, lambda: page.click("#export"))
    assert [r["answer"] for r in rows] == ["same", "same", "same", "skip"]


def test_labelling_by_mouse_and_by_space_on_a_focused_button(show) -> None:
    page = show()
    page.click("#different")
    page.focus("#same")
    press(page, "Space")
    page.click("#skip")
    assert page.inner_text("#count") == "Pair 4 of 4 · 1 same · 1 different · 1 skipped"


def test_answers_survive_a_reload_and_are_kept_per_page(show) -> None:
    page = show()
    press(page, "s", "Space")
    page.reload()
    page.wait_for_selector("html[data-state=ready]")
    assert page.inner_text("#count") == "Pair 3 of 4 · 1 same · 0 different · 1 skipped"
    assert [r["answer"] for r in exported(page, lambda: press(page, "e"))] == ["same", "skip"]
    page = show(pairs=PAIRS[:3])
    assert page.inner_text("#count") == "Pair 1 of 3 · 0 same · 0 different · 0 skipped"


def test_hostile_ids_are_shown_as_text(show) -> None:
    page = show(id_=HOSTILE)
    assert page.title() == "Same or different? shop"
    assert shown(page)[0] == f"{HOSTILE}1"
    press(page, "s")
    rows = exported(page, lambda: press(page, "e"))
    assert rows[0]["query_id"] == f"{HOSTILE}1"


def test_a_truncated_page_shows_an_error(page, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.html").read_text()
    script = whole[whole.rindex("<script>") :]
    (tmp_path / "cut.html").write_text(whole[: whole.rindex('<script type="application/')] + script)
    page.goto((tmp_path / "cut.html").as_uri())
    page.wait_for_selector("html[data-state=broken]")
    assert "incomplete" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_fits_the_screen(show, page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    show(id_="a-name-without-any-space" * 4)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("#skip").bounding_box()["y"] < 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_reaches_4_5_to_1(show, page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    show()
    for key in ("s", "d"):
        press(page, key, "b")
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        press(page, key)
