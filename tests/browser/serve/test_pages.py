"""The other pages of `vecsim serve`: browsing, changing, reviewing groups, login, layout."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from support.serve_page import TIMEOUT_MS, expect, give, shown, slide
from support.servers import HostileServer
from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server, serving


def test_browsing_in_pages(page, server: Server) -> None:
    page.goto(f"{server.url}i/vectors/browse")
    seen = []
    for number in range(1, 8):
        page.wait_for_url("**/browse" if number == 1 else f"**/browse?page={number}")
        seen += page.locator(".card .id").all_inner_texts()
        if number < 7:
            page.click("a[rel=next]")
    assert not page.locator("a[rel=next]").count()
    assert seen == [f"v{row}" for row in range(300)]
    assert page.inner_text(".pager span:not(.button)") == "Page 7 of 7"
    expect(page.locator(".picture.empty")).to_have_count(12)  # external vectors have no thumbnails
    page.goto(f"{server.url}i/vectors/browse?page=99")
    assert "Page 99 does not exist" in page.inner_text("main")


@pytest.mark.ci
def test_values_of_the_index_are_shown_as_text(page, server: Server) -> None:
    for path in ("i/six/browse", "i/six/failures", "i/six"):
        page.goto(server.url + path)
        assert page.locator("main i, main .facts b, main script").count() == 0
    page.goto(f"{server.url}i/six/failures")
    assert "/nowhere/<i>gone</i>.jpg" in page.inner_text("main")
    assert page.locator("td a").count() == 0  # a path does not become a link
    page.goto(f"{server.url}i/six?id=6")
    slide(page, 0)
    assert HOSTILE_ID in shown(page)
    page.get_by_title(HOSTILE_ID, exact=True).first.locator("xpath=../../..").locator(
        "a"
    ).first.click()
    expect(page.locator("#query-name")).to_have_text(HOSTILE_ID, timeout=TIMEOUT_MS)
    assert "6" in shown(page)


@pytest.mark.ci
def test_adding_and_removing_an_image(page, server: Server, shop: HostileServer) -> None:
    page.goto(f"{server.url}i/six")
    page.click(".add summary")
    page.fill("#add [name=url]", shop.url("/2.jpg"))
    page.fill("#add [name=id]", "added here")
    page.click("#add button")
    expect(page.locator("#added")).to_have_text("Added.", timeout=TIMEOUT_MS)
    page.fill("#add [name=url]", shop.url("/nope.jpg"))
    page.click("#add button")
    expect(page.locator("#added")).to_contain_text("404", timeout=TIMEOUT_MS)

    page.goto(f"{server.url}i/six?id=added+here")
    assert "2" in shown(page)
    page.click("#remove")
    page.click("text=Confirm removal")
    page.wait_for_url("**/i/six/browse")
    assert "added here" not in page.locator(".card .id").all_inner_texts()


def test_several_indexes_are_listed(page, server: Server) -> None:
    page.goto(server.url)
    assert page.locator(".list strong").all_inner_texts() == ["six", "vectors"]
    page.click("text=vectors")
    page.click("nav >> text=About")
    assert "300" in page.inner_text(".numbers")
    page.click("text=JSON API")
    assert "/api/v1/indexes/{index}/search" in page.inner_text("main")


@pytest.mark.ci
def test_reviewing_groups(page, server: Server) -> None:
    page.goto(f"{server.url}i/six")
    page.click("nav >> text=Groups")
    page.wait_for_selector("html[data-state=ready]")
    page.wait_for_selector("main:not([aria-busy])")
    cards = page.locator(".review-group")
    assert cards.count() == 2
    picture = cards.first.locator(".shot img").first
    assert picture.evaluate("(i) => i.decode().then(() => i.naturalWidth)") <= 160
    page.check("#originals")
    page.wait_for_selector("main:not([aria-busy])")
    picture = cards.first.locator(".shot img").first
    assert picture.evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 400
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#picture-a")).to_have_attribute(
        "src", re.compile("size=full"), timeout=TIMEOUT_MS
    )
    assert page.locator("#picture-a").evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 400
    page.keyboard.press("a")
    with page.expect_download() as download:
        page.keyboard.press("e")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert [(row["group"], row["id"], row["keep"]) for row in rows] == [
        ("1", "3", "yes"),
        ("1", "1", "no"),
        ("1", "2", "no"),
    ]
    page.keyboard.press("k")
    page.keyboard.press("z")  # the index remembers what was accepted, and groups accordingly
    expect(page.locator("#count")).to_contain_text("0 accepted")
    page.wait_for_timeout(500)
    expect(page.locator("#stored")).to_have_text("Decisions are stored in the index.")
    page.fill("#threshold", "0.93")
    page.click("text=Group again")
    page.wait_for_selector("html[data-state=ready]")
    page.wait_for_selector("main:not([aria-busy])")
    assert page.locator(".review-group .name").all_inner_texts() == ["3.jpg", "1.jpg"]


def test_groups_that_cannot_be_found_are_explained(page, server: Server) -> None:
    page.goto(f"{server.url}i/vectors/groups?threshold=0.999")
    page.wait_for_selector("html[data-state=ready]")
    assert "There are no groups" in page.inner_text("#groups")
    page.route("**/api/v1/**/groups?*", lambda route: route.abort())
    page.goto(f"{server.url}i/six/groups")
    expect(page.locator("#problem")).to_contain_text("The server cannot be reached")


@pytest.mark.ci
def test_login_with_the_token(page, built: Path) -> None:
    with serving(built, token="open-sesame-open-sesame") as server:
        page.goto(f"{server.url}i/six?id=1")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        assert "Wrong token" in page.inner_text("[role=alert]")
        page.fill("#token", "open-sesame-open-sesame")
        page.press("#token", "Enter")
        page.wait_for_url("**/i/six?id=1")
        assert shown(page) == ["3", "2"]
        give(page, "drop", PICTURES / "1.jpg")
        expect(page.locator("#query-name")).to_have_text("1.jpg", timeout=TIMEOUT_MS)
        assert shown(page) == ["1", "3", "2"]


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.ci
def test_pages_fit_the_screen_and_controls_have_names(browser, server: Server, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in ("", "i/six", "i/six?id=1", "i/six/browse", "i/vectors/browse", "i/six/groups",
                 "i/six/failures", "i/six/about", "api", "login", "i/nope"):  # fmt: skip
        page.goto(server.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), img")]
              .filter((e) => !(e.textContent.trim() || e.getAttribute("alt") !== null
                || e.labels?.length || e.querySelector?.("img[alt]")))
              .map((e) => e.outerHTML)"""
        )
        assert unnamed == [], path
    context.close()
