"""The HTML report in a browser: showing, filtering, navigating, marking and exporting pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.html_pages import CONTRAST
from support.report_page import PAIRS, exported, write
from support.review_page import settle
from vecsim.orientations import NAMES


def scores(page: Any) -> list[str]:
    return page.locator(".score").all_inner_texts()


def headings(page: Any) -> list[str]:
    return page.locator("h2.group").all_text_contents()


def choose(page: Any, name: str, value: str) -> None:
    page.select_option(f"#{name}", value)
    settle(page)


def test_pairs_are_shown_side_by_side_without_network(show, watched) -> None:
    page = show(PAIRS)
    assert page.title() == "Two shops"
    assert page.locator(".pair").count() == 5
    first = page.locator(".pair").first
    assert first.get_attribute("aria-label") == "query q2, reference r1, score 1.0000"
    assert first.locator("img").get_attribute("alt") == "Picture q2"
    assert first.locator("img").evaluate("(i) => i.decode().then(() => i.naturalWidth)") == 40
    assert "640 \u00d7 480, 34 kB" in first.inner_text()
    assert "title, of 2" in first.inner_text()
    assert first.locator("a").first.get_attribute("href") == "https://shop.example/2.jpg"
    assert first.locator("a").first.get_attribute("rel") == "noopener noreferrer"
    assert "no thumbnail" in page.locator(".pair").last.inner_text()
    assert watched.hosts == set()


def test_grouping_by_query_by_cluster_and_none(show) -> None:
    page = show(PAIRS)
    assert headings(page) == ["q2 1 pair", "q1 3 pairs", "q9 1 pair"]
    choose(page, "group", "component")
    heads = headings(page)
    assert heads == ["Group 1 5 pictures, 4 pairs", "Group 2 2 pictures, 1 pair"]
    choose(page, "group", "none")
    assert page.locator("h2.group").count() == 0
    assert scores(page) == ["1.0000", "0.9500", "0.9000", "0.8700", "0.8500"]


def test_sorting(show) -> None:
    page = show(PAIRS, group="none")
    choose(page, "sort", "low")
    assert scores(page) == ["0.8500", "0.8700", "0.9000", "0.9500", "1.0000"]
    choose(page, "sort", "given")
    assert scores(page) == ["0.9500", "0.9000", "0.8500", "1.0000", "0.8700"]
    choose(page, "group", "query")
    choose(page, "sort", "size")
    assert headings(page)[0] == "q1 3 pairs"


def test_the_slider_filters_by_score_and_splits_groups(show) -> None:
    pairs = [(1, 2, 0.99), (2, 3, 0.9), (3, 4, 0.98)]
    page = show(pairs, itself=True, group="component")
    assert page.inner_text("#count") == "3 pairs · 1 group"
    page.locator("#least").fill("0.95")
    settle(page)
    assert page.inner_text("#least-value") == "0.950"
    assert page.inner_text("#count") == "2 of 3 pairs · 2 groups"
    assert sorted(scores(page)) == ["0.9800", "0.9900"]
    page.locator("#least").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    settle(page)
    assert page.inner_text("#least-value") == "0.940"


def test_the_slider_initially_shows_all_pairs(show) -> None:
    page = show([(1, 1, -0.250001), (1, 2, 0.845), (1, 3, 0.8450004)])
    assert page.inner_text("#count") == "3 pairs · 1 group"
    assert page.get_attribute("#least", "min") == "-0.251"


def test_a_score_below_1_is_never_shown_as_1(show) -> None:
    page = show([(1, 1, 0.999999), (1, 2, 1.0)], group="none")
    assert scores(page) == ["1.0000", "0.9999"]


def test_the_common_folder_is_named_once(show) -> None:
    page = show(PAIRS)
    assert page.inner_text("#prefix") == "All in https://shop.example/"
    assert "shop.example" not in page.locator(".pair").first.inner_text()


def test_paging(show) -> None:
    pairs = [(query, query % 7 + 1, 0.9 + query / 1e4) for query in range(1, 121)]
    page = show(pairs, group="none")
    assert page.locator(".pair").count() == 25
    assert page.inner_text("#page") == "Page 1 of 5"
    assert page.is_disabled("#previous")
    page.click("#next")
    settle(page)
    assert scores(page)[0] == f"{0.9 + 95 / 1e4:.4f}"
    for _ in range(3):
        page.keyboard.press("]")
    settle(page)
    assert page.locator(".pair").count() == 20
    assert page.is_disabled("#next")


def test_navigating_judging_and_exporting_by_keyboard(show) -> None:
    page = show(PAIRS)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.position") == "0"
    page.keyboard.press("s")
    page.keyboard.press("d")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.position") == "1"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    page.keyboard.press("k")
    page.keyboard.press("u")
    assert page.inner_text("#count") == "5 pairs · 3 groups · 1 same · 1 different"
    assert page.locator('[data-mark="same"].pair').count() == 1
    rows = exported(page, lambda: page.keyboard.press("e"))
    assert [(r["query_id"], r["reference_id"], r["score"], r["verdict"]) for r in rows] == [
        ("q1", "r1", "0.950000", "different"),
        ("q2", "r1", "1.000000", "same"),
    ]
    assert rows[0]["query_title"] == "title, of 1"
    assert rows[0]["reference_url"] == "https://shop.example/1.jpg"


def test_navigating_continues_on_the_next_page(show) -> None:
    page = show([(n, n, 0.9) for n in range(1, 31)], group="none")
    for _ in range(26):
        page.keyboard.press("j")
    settle(page)
    assert page.inner_text("#page") == "Page 2 of 2"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "query q26"
    )


def test_judgements_can_be_filtered_and_survive_a_reload(show, tmp_path: Path) -> None:
    page = show(PAIRS)
    page.locator(".pair").nth(0).get_by_role("button", name="Different").click()
    page.locator(".pair").nth(1).get_by_role("button", name="Same").click()
    pressed = page.locator(".pair").nth(1).get_by_role("button", name="Same")
    assert pressed.get_attribute("aria-pressed") == "true"
    choose(page, "show", "different")
    assert scores(page) == ["1.0000"]
    choose(page, "show", "open")
    assert page.locator(".pair").count() == 3
    page.wait_for_function("() => Object.keys(localStorage).length === 1")
    page = show(tmp_path / "report.html")
    assert page.inner_text("#count") == "5 pairs · 3 groups · 1 same · 1 different"


def test_export_without_judgements_shows_a_message(show) -> None:
    page = show(PAIRS)
    page.click("#export")
    assert page.inner_text("#said") == "There are no judgements to export yet."


def test_the_page_lists_its_keys(show) -> None:
    page = show(PAIRS)
    page.keyboard.press("?")
    assert page.is_visible("#help")
    assert "different pictures" in page.inner_text("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_a_report_without_pairs_shows_a_note(show) -> None:
    page = show([])
    assert page.inner_text("main") == "There are no pairs at or above the threshold."
    assert page.is_disabled("#least")


@pytest.mark.parametrize("width", [390, 1400])
def test_no_horizontal_scrolling(show, page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    show([*PAIRS, (5, 5, 0.9)], title="a-title-without-any-space" * 6)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_reaches_4_5_to_1(show, page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    show(PAIRS)
    page.locator(".pair").first.get_by_role("button", name="Same").click()
    page.locator(".pair").nth(1).get_by_role("button", name="Different").click()
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


def transform(page: Any, picture: str) -> list[float]:
    """The first four numbers of the matrix by which a picture is turned, rounded."""
    matrix = page.locator(picture).first.evaluate("(image) => getComputedStyle(image).transform")
    return [round(float(number), 3) for number in matrix[len("matrix(") : -1].split(",")[:4]]


def test_turned_queries_are_shown_as_their_references_are(show, tmp_path: Path) -> None:
    page = show(
        write(tmp_path / "turned.html", [(1, 1, 0.95), (2, 1, 0.9)], turned=[1, 0], oriented=True)
    )
    assert page.locator(".turned").all_inner_texts() == ["query turned 90°"]
    first, second = '[data-position="0"] img', '[data-position="1"] img'
    assert transform(page, first) == [0, 1, -1, 0]
    assert page.locator(first).get_attribute("alt") == "Picture q1, turned 90°"
    box = page.locator(first).bounding_box()
    frame = page.locator('[data-position="0"] .frame').first.bounding_box()
    assert box["width"] <= frame["width"]
    assert box["height"] <= frame["height"]
    assert page.locator(second).first.evaluate("(i) => i.style.transform") == ""
    page.keyboard.press("j")
    page.keyboard.press("s")
    (row,) = exported(page, lambda: page.keyboard.press("e"))
    assert row["orientation"] == "90"


def test_pairs_found_by_a_part_say_which_and_are_shown_as_they_are(show, tmp_path: Path) -> None:
    pairs = [(1, 1, 0.95), (2, 1, 0.9)]
    codes = [NAMES.index("top-left-77"), NAMES.index("in-centre-62")]
    page = show(write(tmp_path / "parts.html", pairs, turned=codes, oriented=True))
    assert page.locator(".turned").all_inner_texts() == [
        "query by its top left, 77 %",
        "query like the centre, 62 %",
    ]
    for position in (0, 1):
        image = page.locator(f'[data-position="{position}"] img').first
        assert image.evaluate("(i) => i.style.transform") == ""
    page.keyboard.press("j")
    page.keyboard.press("s")
    (row,) = exported(page, lambda: page.keyboard.press("e"))
    assert row["orientation"] == "top-left-77"
