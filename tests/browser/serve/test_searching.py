"""Searching on the pages of `vecsim serve`: by picture, URL and id, and the errors of a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.serve_page import TIMEOUT_MS, expect, give, shown, slide
from support.servers import HostileServer
from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server


@pytest.mark.parametrize("kind", ["drop", "paste"])
@pytest.mark.ci
def test_search_by_dropped_or_pasted_picture(page, server: Server, kind: str) -> None:
    page.goto(f"{server.url}i/six")
    give(page, kind, PICTURES / "1.jpg")

    assert shown(page) == ["1", "3", "2"]
    assert page.inner_text("#query-name") == "1.jpg"
    assert page.inner_text("#query-facts") == "860 \u00d7 800 \u00b7 JPEG"
    assert page.locator("#query-image").evaluate("image => image.naturalWidth") == 860
    assert page.locator(".card:visible .score").all_inner_texts()[:2] == ["1.0000", "0.9375"]
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
    assert "The best match is 3 with score 0.9375" in page.inner_text("#none")
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
    photo = tmp_path / "photo.heic"
    photo.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    give(page, "drop", photo, "")  # browsers do not know the type
    shows("HEIC")
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
