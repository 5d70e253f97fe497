"""The page of `vecsim serve`, in a real browser."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.servers import HostileServer, good
from support.web_server import PICTURES, Server, serving
from web.conftest import HOSTILE_ID, built, vectors  # noqa: F401 (fixtures)

PATIENCE = 30_000
"""Milliseconds; what takes longer on a busy machine is broken."""

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
def server(built: Path, vectors: Path, tmp_path_factory) -> Iterator[Server]:  # noqa: F811
    """Both indexes, to be changed, with this machine's addresses allowed."""
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
    """A page that must not run into errors of its own or against its policy."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    # Answers of 4xx are logged by the browser itself.
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
    """Playwright's own, which waits; a text of JavaScript to wait for is against the policy."""
    from playwright.sync_api import expect as expected

    return expected(what)


def give(page: Any, kind: str, path: Path, type_: str = "image/jpeg") -> None:
    """Drop or paste a file."""
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(_EVENT, [kind, data, path.name, type_])


def shown(page: Any) -> list[str]:
    """The ids of the pictures shown."""
    page.wait_for_selector("#result:not([hidden])")
    page.wait_for_selector("#busy", state="hidden")
    return page.locator("#cards .card:visible .id").all_inner_texts()


def slide(page: Any, threshold: float) -> None:
    page.locator("#threshold").fill(str(threshold))


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_dropped_or_pasted_is_searched_at_once(page, server: Server, kind: str) -> None:
    page.goto(f"{server.url}i/six")
    give(page, kind, PICTURES / "1.jpg")

    assert shown(page) == ["1", "3", "2"]
    assert page.inner_text("#query-name") == "1.jpg"
    assert page.inner_text("#query-facts") == "860 \u00d7 800 \u00b7 JPEG"
    assert page.locator("#query-image").evaluate("image => image.naturalWidth") == 860
    assert page.locator(".card:visible .score").all_inner_texts()[:2] == ["1.000", "0.938"]
    assert page.locator(".card:visible .picture img").first.evaluate("i => i.naturalWidth") > 50


def test_a_file_is_chosen(page, server: Server) -> None:
    page.goto(f"{server.url}i/six")
    page.set_input_files("#file", PICTURES / "5.jpg")

    assert shown(page) == ["5", HOSTILE_ID, "6"]
    page.set_input_files("#file", PICTURES / "1.jpg")  # and another one after it
    expect(page.locator("#query-name")).to_have_text("1.jpg", timeout=PATIENCE)
    assert "3" in shown(page)


def test_a_url_is_searched(page, server: Server, shop: HostileServer) -> None:
    page.goto(f"{server.url}i/six")
    page.fill("#url", shop.url("/3.jpg"))
    page.press("#url", "Enter")

    assert "3" in shown(page)
    assert page.inner_text("#query-name") == shop.url("/3.jpg")


def test_the_slider_shows_and_hides_without_asking_again(page, server: Server) -> None:
    page.goto(f"{server.url}i/six?id=1")
    assert shown(page) == ["3", "2"]
    assert page.inner_text("#threshold-value") == "0.6875"  # the model's own, to the last digit
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


def test_more_are_fetched_when_there_are_more(page, server: Server) -> None:
    page.goto(f"{server.url}i/vectors?id=v3")
    slide(page, page.get_attribute("#threshold", "min"))
    before = len(shown(page))
    assert "60 or more" in page.inner_text("#count") or before < 60
    if before == 60:
        page.click("#more")
        expect(page.locator("#cards .card")).not_to_have_count(60, timeout=PATIENCE)
    assert page.locator("#drop").count() == 0  # own vectors: no picture can be asked for
    assert "search by id" in page.inner_text(".forms")


def test_each_result_leads_to_more_like_it(page, server: Server) -> None:
    page.goto(f"{server.url}i/six?id=1")
    shown(page)
    page.locator(".card:visible .picture").first.click()
    page.wait_for_url("**/i/six?id=3")

    assert "1" in shown(page)
    assert page.inner_text("#query-name") == "3"
    assert "<b>picture</b> 3" in page.inner_text(".fields")
    page.go_back()
    assert shown(page) == ["3", "2"]


def test_browsing_page_by_page(page, server: Server) -> None:
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
    expect(page.locator(".picture.empty")).to_have_count(12)  # no thumbnails of own vectors
    page.goto(f"{server.url}i/vectors/browse?page=99")
    assert "Page 99 does not exist" in page.inner_text("main")


def test_what_strangers_wrote_is_text(page, server: Server) -> None:
    for path in ("i/six/browse", "i/six/failures", "i/six"):
        page.goto(server.url + path)
        assert page.locator("main i, main .facts b, main script").count() == 0
    page.goto(f"{server.url}i/six/failures")
    assert "/nowhere/<i>gone</i>.jpg" in page.inner_text("main")
    assert page.locator("td a").count() == 0  # a path is no link
    page.goto(f"{server.url}i/six?id=6")
    slide(page, 0)
    assert HOSTILE_ID in shown(page)
    page.get_by_title(HOSTILE_ID, exact=True).first.locator("xpath=../../..").locator(
        "a"
    ).first.click()
    expect(page.locator("#query-name")).to_have_text(HOSTILE_ID, timeout=PATIENCE)
    assert "6" in shown(page)


def test_mistakes_are_told(page, server: Server, shop: HostileServer, tmp_path: Path) -> None:
    page.goto(f"{server.url}i/six")
    problem = page.locator("#problem")

    def told(words: str) -> None:
        expect(problem).to_contain_text(words, timeout=PATIENCE)
        assert problem.is_visible()

    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    give(page, "drop", text, "text/plain")
    told("notes.txt is not a picture")
    give(page, "drop", text, "image/png")
    told("not an image: plain text")
    page.fill("#url", shop.url("/nope.jpg"))
    page.press("#url", "Enter")
    told("HTTP 404")
    page.fill("#url", "ftp://example.com/a")
    page.press("#url", "Enter")
    told("is not a web address")
    page.route("**/search/upload*", lambda route: route.abort())
    give(page, "drop", PICTURES / "1.jpg")
    told("The server cannot be reached")
    page.unroute("**/search/upload*")
    give(page, "drop", PICTURES / "1.jpg")
    assert "3" in shown(page) and problem.is_hidden()

    answer = page.goto(f"{server.url}i/six?id=nope")
    assert answer.status == 404 and "no image has the id 'nope'" in page.inner_text("main")
    answer = page.goto(f"{server.url}i/nope")
    assert answer.status == 404 and "no index is called 'nope'" in page.inner_text("main")


def test_adding_and_removing(page, server: Server, shop: HostileServer) -> None:
    page.goto(f"{server.url}i/six")
    page.click(".add summary")
    page.fill("#add [name=url]", shop.url("/2.jpg"))
    page.fill("#add [name=id]", "added here")
    page.click("#add button")
    expect(page.locator("#added")).to_have_text("Added.", timeout=PATIENCE)
    page.fill("#add [name=url]", shop.url("/nope.jpg"))
    page.click("#add button")
    expect(page.locator("#added")).to_contain_text("404", timeout=PATIENCE)

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


def test_the_token_is_asked_for_once(page, built: Path) -> None:  # noqa: F811
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
        expect(page.locator("#query-name")).to_have_text("1.jpg", timeout=PATIENCE)
        assert shown(page) == ["1", "3", "2"]


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(browser, server: Server, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in ("", "i/six", "i/six?id=1", "i/six/browse", "i/vectors/browse", "i/six/failures",
                 "i/six/about", "api", "login", "i/nope"):  # fmt: skip
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
