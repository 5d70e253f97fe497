"""A review on small and touch screens, in dark colours, and with unusual data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.html_pages import CONTRAST, HOSTILE
from support.review_groups import group, write_review
from support.review_page import (
    GROUPS,
    card,
    decisions,
    kept,
    names_compared,
    press,
    settle,
    states,
)


@pytest.mark.ci
def test_deciding_and_comparing_by_touch(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(write_review(tmp_path / "touch.html", GROUPS).as_uri())
    page.wait_for_selector("html[data-state=ready]")
    settle(page)
    first = card(page, 1)
    first.get_by_role("button", name="Keep only this").first.tap()
    assert kept(page, 1) == ["copy.jpg"]
    first.get_by_role("checkbox").first.tap()
    assert kept(page, 1) == ["one.jpg", "copy.jpg"]
    first.locator(".shot").nth(2).tap()
    assert names_compared(page) == ["copy.jpg", "other.jpg"]
    swipe(context, page, [(300, 300)], [(120, 300)])
    assert names_compared(page) == ["copy.jpg", "one.jpg"]
    swipe(context, page, [(180, 300), (210, 300)], [(120, 300), (270, 300)])
    assert page.locator("#stage.zoomed").count() == 1
    page.locator("#compare-close").tap()
    first.get_by_role("button", name="Accept").tap()
    assert states(page)[0] == "accepted"
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input[type=search], label.keep")]
          .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 40)
          .map((e) => e.outerHTML)"""
    )
    assert small == []
    context.close()


def swipe(context: Any, page: Any, start: list[Any], end: list[Any]) -> None:
    """Move one finger or two from `start` to `end`."""
    session = context.new_cdp_session(page)

    def send(kind: str, points: list[Any]) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", start)
    for step in range(1, 6):
        moved = [
            (a + (c - a) * step / 5, b + (d - b) * step / 5)
            for (a, b), (c, d) in zip(start, end, strict=True)
        ]
        send("touchMove", moved)
    send("touchEnd", [])


@pytest.mark.parametrize("width", [390, 1400])
def test_no_horizontal_scrolling(show, page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    long = "a-name-without-any-space" * 6
    show([*GROUPS, group([f"{long}/{long}.jpg", f"{long}/2.jpg"], [0.9], 31)], title=long)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    press(page, "j", "c")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("#compare-accept").bounding_box()["y"] < 844


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_reaches_4_5_to_1(show, page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    show()
    press(page, "j", "a", "n")
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst
    press(page, "c")
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


# -- unusual data ----------------------------------------------------------------------------------


def test_hostile_strings_are_shown_as_text(show, watched) -> None:
    page = show([group([HOSTILE, f"{HOSTILE}/2"], [0.9])], title=HOSTILE, facts=[HOSTILE])
    assert page.title() == HOSTILE
    assert page.locator("main script, main iframe").count() == 0
    assert all(
        link.startswith("https://pictures.example/")
        for link in page.locator("main a").evaluate_all("(all) => all.map((a) => a.href)")
    )
    press(page, "j", "c", "a")
    assert decisions(page)[0][2] == "yes"
    assert watched.hosts == set()


def test_a_review_without_groups_shows_a_note(show) -> None:
    page = show([])
    assert "There are no groups" in page.inner_text("main")
    assert page.is_disabled("#least")


def test_a_large_group_is_shown_in_part_at_first(show) -> None:
    page = show([group([f"{n}.jpg" for n in range(80)], [0.9] * 79)])
    assert page.locator(".member").count() == 24
    page.click("text=Show all 80 pictures")
    assert page.locator(".member").count() == 80


def test_a_truncated_review_shows_an_error(page, tmp_path: Path) -> None:
    whole = write_review(tmp_path / "whole.html", GROUPS).read_text()
    script = whole[whole.rindex("<script>") :]
    cut = whole[: whole.rindex('<script type="application/json"')] + script
    (tmp_path / "cut.html").write_text(cut)
    page.goto((tmp_path / "cut.html").as_uri())
    page.wait_for_selector("html[data-state=broken]")
    assert "incomplete" in page.get_by_role("alert").inner_text()
