"""The pages of `vecsim serve` in a browser."""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.servers import HostileServer, good
from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server, serving

TIMEOUT_MS = 30_000
"""Also enough on a busy machine."""

_EVENT = """([kind, data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, {type}));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: given, bubbles: true, cancelable: true})
    : new DragEvent(kind, {dataTransfer: given, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def server(built: Path, vectors: Path, tmp_path_factory) -> Iterator[Server]:
    """A server of both indexes with writes and private addresses allowed."""
    path = shutil.copytree(built, tmp_path_factory.mktemp("page") / "six")
    with serving(path, vectors, allow_writes=True, allow_private=True) as running:
        yield running


@pytest.fixture(scope="module")
def shop() -> Iterator[HostileServer]:
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    with HostileServer(routes) as running:
        yield running


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """A page; the test fails after a script error or a violation of the content security policy."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    # The browser itself logs responses with a status of 4xx.
    opened.on(
        "console",
        lambda said: (
            wrong.append(said.text)
            if said.type == "error" and "Failed to load resource" not in said.text
            else None
        ),
    )
    yield opened
    context.close()
    assert wrong == []


def expect(what: Any) -> Any:
    """Playwright's `expect`, which waits; `wait_for_function` would violate the policy."""
    from playwright.sync_api import expect as expected

    return expected(what)


def give(page: Any, kind: str, path: Path, type_: str = "image/jpeg") -> None:
    """Drop or paste a file on the page."""
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(_EVENT, [kind, data, path.name, type_])


def shown(page: Any) -> list[str]:
    """The ids of the visible cards."""
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_selector("#busy", state="hidden")
    return page.locator("#cards .card:visible .id").all_inner_texts()


def slide(page: Any, threshold: float) -> None:
    page.locator("#threshold").fill(str(threshold))


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_search_by_dropped_or_pasted_picture(page, server: Server, kind: str) -> None:
    page.goto(f"{server.url}i/six")
    give(page, kind, PICTURES / "1.jpg")

    assert shown(page) == ["1", "3", "2"]
    assert page.inner_text("#query-name") == "1.jpg"
    assert page.inner_text("#query-facts") == "860 \u00d7 800 \u00b7 JPEG"
    assert page.locator("#query-image").evaluate("image => image.naturalWidth") == 860
    assert page.locator(".card:visible .score").all_inner_texts()[:2] == ["1.000", "0.938"]
    assert page.locator(".card:visible .picture img").first.evaluate("i => i.naturalWidth") > 50


def test_search_by_chosen_file(page, server: Server) -> None:
    page.goto(f"{server.url}i/six")
    page.set_input_files("#file", PICTURES / "5.jpg")

    assert shown(page) == ["5", HOSTILE_ID, "6"]
    page.set_input_files("#file", PICTURES / "1.jpg")  # and another one after it
    expect(page.locator("#query-name")).to_have_text("1.jpg", timeout=TIMEOUT_MS)
    assert "3" in shown(page)


def test_search_by_url(page, server: Server, shop: HostileServer) -> None:
    page.goto(f"{server.url}i/six")
    page.fill("#url", shop.url("/3.jpg"))
    page.press("#url", "Enter")

    assert "3" in shown(page)
    assert page.inner_text("#query-name") == shop.url("/3.jpg")


def test_the_slider_filters_without_new_requests(page, server: Server) -> None:
    page.goto(f"{server.url}i/six?id=1")
    assert shown(page) == ["3", "2"]
    assert (
        page.inner_text("#threshold-value") == "0.6875"
    )  # the model's default, not rounded to the slider's steps
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    slide(page, 0)
    many = shown(page)
    slide(page, 0.95)
    assert shown(page) == []
    assert "The best match is 3 with score 0.938" in page.inner_text("#none")
    page.focus("#threshold")
    page.keyboard.press("Home")

    assert shown(page) == many and len(many) > 1
    assert page.inner_text("#count") == f"{len(many)} matches (score ≥ 0.000)"
    assert not [url for url in asked if "search" in url]


def test_show_more_requests_more_matches(page, server: Server) -> None:
    page.goto(f"{server.url}i/vectors?id=v3")
    slide(page, page.get_attribute("#threshold", "min"))
    before = len(shown(page))
    assert "60 or more" in page.inner_text("#count") or before < 60
    if before == 60:
        page.click("#more")
        expect(page.locator("#cards .card")).not_to_have_count(60, timeout=TIMEOUT_MS)
    assert page.locator("#drop").count() == 0  # no search by picture for external vectors
    assert "search by id" in page.inner_text(".forms")


def test_a_card_links_to_the_search_for_its_image(page, server: Server) -> None:
    page.goto(f"{server.url}i/six?id=1")
    shown(page)
    page.locator(".card:visible .picture").first.click()
    page.wait_for_url("**/i/six?id=3")

    assert "1" in shown(page)
    assert page.inner_text("#query-name") == "3"
    assert "<b>picture</b> 3" in page.inner_text(".fields")
    page.go_back()
    assert shown(page) == ["3", "2"]


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


def test_errors_are_shown(page, server: Server, shop: HostileServer, tmp_path: Path) -> None:
    page.goto(f"{server.url}i/six")
    problem = page.locator("#problem")

    def shows(words: str) -> None:
        expect(problem).to_contain_text(words, timeout=TIMEOUT_MS)
        assert problem.is_visible()

    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    give(page, "drop", text, "text/plain")
    shows("notes.txt is not a picture")
    give(page, "drop", text, "image/png")
    shows("not an image: plain text")
    page.fill("#url", shop.url("/nope.jpg"))
    page.press("#url", "Enter")
    shows("HTTP 404")
    page.fill("#url", "ftp://example.com/a")
    page.press("#url", "Enter")
    shows("is not a web address")
    page.route("**/search/upload*", lambda route: route.abort())
    give(page, "drop", PICTURES / "1.jpg")
    shows("The server cannot be reached")
    page.unroute("**/search/upload*")
    give(page, "drop", PICTURES / "1.jpg")
    assert "3" in shown(page) and problem.is_hidden()

    answer = page.goto(f"{server.url}i/six?id=nope")
    assert answer.status == 404 and "no image has the id 'nope'" in page.inner_text("main")
    answer = page.goto(f"{server.url}i/nope")
    assert answer.status == 404 and "no index is called 'nope'" in page.inner_text("main")


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
    expect(page.locator("#picture-a")).to_have_attribute("src", re.compile("size=full"))
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
    page.fill("#threshold", "0.93")
    page.click("text=Group again")
    page.wait_for_selector("html[data-state=ready]")
    page.wait_for_selector("main:not([aria-busy])")
    assert page.locator(".review-group .name").all_inner_texts() == ["3.jpg", "1.jpg"]


def test_groups_that_cannot_be_found_are_explained(page, server: Server) -> None:
    page.goto(f"{server.url}i/vectors/groups?threshold=0.999")
    page.wait_for_selector("html[data-state=ready]")
    assert "There are no groups" in page.inner_text("#groups")
    page.route("**/groups?start=*", lambda route: route.abort())
    page.goto(f"{server.url}i/six/groups")
    expect(page.locator("#problem")).to_contain_text("The server cannot be reached")


def test_login_with_the_token(page, built: Path) -> None:
    with serving(built, token="open-sesame") as server:
        page.goto(f"{server.url}i/six?id=1")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        assert "Wrong token" in page.inner_text("[role=alert]")
        page.fill("#token", "open-sesame")
        page.press("#token", "Enter")
        page.wait_for_url("**/i/six?id=1")
        assert shown(page) == ["3", "2"]
        give(page, "drop", PICTURES / "1.jpg")
        expect(page.locator("#query-name")).to_have_text("1.jpg", timeout=TIMEOUT_MS)
        assert shown(page) == ["1", "3", "2"]


@pytest.mark.parametrize("width", [390, 1400])
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
