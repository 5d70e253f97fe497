"""The review of groups in a browser: deciding by keyboard, mouse and touch, comparing."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.commands import run
from support.html_pages import CONTRAST, HOSTILE
from support.review_groups import group, write_review
from support.web_server import PICTURES
from vecsim.records import Cluster

GROUPS = [
    group(["a/one.jpg", "a/copy.jpg", "b/other.jpg"], [0.95, 0.9], 1),
    group(["a/two.jpg", "a/two small.jpg"], [0.999999], 11),
    group(["b/three.jpg", "b/three grey.jpg"], [0.87], 21),
]


@pytest.fixture
def show(page: Any, tmp_path: Path) -> Callable[..., Any]:
    """Write a review to a file and open it."""

    def show(groups: list[Cluster] | Path = GROUPS, **head: Any) -> Any:
        path = groups
        if not isinstance(groups, Path):
            path = write_review(tmp_path / "review.html", groups, **head)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-state]")
        settle(page)
        return page

    return show


def settle(page: Any) -> None:
    """Wait until the page has drawn its cards."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
    page.wait_for_selector("main:not([aria-busy])")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def card(page: Any, number: int) -> Any:
    return page.locator(".review-group").nth(number - 1)


def kept(page: Any, number: int) -> list[str]:
    """The names of the pictures that are kept in the group at this place."""
    return card(page, number).locator(".member.kept .name").all_inner_texts()


def states(page: Any) -> list[str]:
    return page.locator(".review-group").evaluate_all("(all) => all.map((e) => e.dataset.state)")


def exported(page: Any, name: str, ask: Callable[[], None]) -> list[dict[str, str]]:
    with page.expect_download() as download:
        ask()
    assert download.value.suggested_filename == name
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))


def decisions(page: Any) -> list[tuple[str, str, str, str]]:
    rows = exported(page, "decisions.csv", lambda: page.keyboard.press("e"))
    return [(row["group"], row["id"], row["keep"], row["score"]) for row in rows]


def test_a_card_for_each_group_without_network(show, watched) -> None:
    page = show()
    assert page.locator(".review-group").count() == 3
    first = card(page, 1)
    assert "3 pictures · smallest score 0.8000" in first.locator("h2").inner_text()
    assert kept(page, 1) == ["one.jpg"]
    member = first.locator(".member").nth(1)
    text = member.inner_text()
    size = "639 \u00d7 480 · 33 kB"
    origin = ("taken 2024-05-31\nCanon EOS", "title, of a/copy.jpg")
    for words in ("copy.jpg", "a/", size, *origin, "score 0.9500", "Give up"):
        assert words in text
    assert page.inner_text("#prefix") == "All in https://pictures.example/all/"
    assert "pictures.example" not in first.inner_text()
    assert (
        first.locator(".name").first.get_attribute("href")
        == "https://pictures.example/all/a/one.jpg"
    )
    assert first.locator("img").first.evaluate("(i) => i.decode().then(() => i.naturalWidth)") == 40
    assert "score 0.9999" in card(page, 2).inner_text()  # never rounded up to 1
    assert watched.hosts == set()


def test_one_click_changes_the_keeper_and_the_scores(show) -> None:
    page = show()
    card(page, 1).locator(".member").nth(2).get_by_role("button", name="Keep only this").click()
    assert kept(page, 1) == ["other.jpg"]
    texts = card(page, 1).locator(".member-score").all_inner_texts()
    assert texts == ["score 0.9000", "score 0.8000", ""]
    page.keyboard.press("z")
    assert kept(page, 1) == ["one.jpg"]


def test_a_group_always_keeps_a_picture(show) -> None:
    page = show()
    boxes = card(page, 1).get_by_role("checkbox")
    boxes.nth(0).click()
    assert kept(page, 1) == ["one.jpg"] and boxes.nth(0).is_checked()
    assert page.inner_text("#said") == "One picture of each group is always kept."
    boxes.nth(1).click()
    boxes.nth(0).click()
    assert kept(page, 1) == ["copy.jpg"]


def test_deciding_by_keyboard_alone(show) -> None:
    page = show()
    press(page, "j", "2", "a")
    assert page.evaluate("document.activeElement.dataset.position") == "1"
    press(page, "n", "ArrowRight", "ArrowRight", "x", "a")
    assert states(page) == ["accepted", "different", "accepted"]
    assert kept(page, 3) == ["three.jpg", "three grey.jpg"]
    press(page, "k", "k", "o", "2", "a")
    assert decisions(page) == [
        ("1", "copy.jpg", "yes", "1.000000"),
        ("1", "one.jpg", "no", "0.950000"),
        ("1", "other.jpg", "no", "0.800000"),
        ("2", "two.jpg", "yes", "1.000000"),
        ("2", "two small.jpg", "yes", "0.999999"),
        ("3", "three.jpg", "yes", "1.000000"),
        ("3", "three grey.jpg", "yes", "0.870000"),
    ]


def test_undo_takes_back_one_change_after_the_other(show) -> None:
    page = show()
    press(page, "j", "a", "a", "Control+z")
    assert states(page) == ["accepted", "open", "open"]
    press(page, "z")
    assert states(page) == ["open", "open", "open"]
    press(page, "z")
    assert page.inner_text("#said") == "There is nothing to undo."
    assert page.is_disabled("#undo") and page.is_disabled("#export")


def test_accepting_all_above_a_score(show) -> None:
    page = show()
    page.locator("#least").fill("0.87")
    settle(page)
    assert page.inner_text("#least-value") == "0.8700"
    assert page.get_attribute("#least", "aria-valuetext") == "0.8700"
    assert page.inner_text("#count").startswith("2 of 3 groups")
    assert page.inner_text("#accept-all") == "Accept all 2 from score 0.8700"
    page.click("#accept-all")
    page.locator("#least").fill("0.8")
    settle(page)
    assert states(page) == ["open", "accepted", "accepted"]
    assert "2 accepted, frees 66 kB" in page.inner_text("#count")
    press(page, "z")
    settle(page)
    assert states(page) == ["open", "open", "open"]


def test_filters_and_orders(show) -> None:
    page = show()
    page.fill("#folder", "b/")
    settle(page)
    assert page.locator(".name").all_inner_texts()[0::3] == ["one.jpg", "three.jpg"]
    offered = page.locator("#folders option").evaluate_all("(all) => all.map((e) => e.value)")
    assert offered == ["a/", "b/"]
    page.fill("#folder", "")
    page.select_option("#sort", "high")
    settle(page)
    assert [kept(page, n)[0] for n in (1, 2, 3)] == ["two.jpg", "three.jpg", "one.jpg"]
    page.click("h1")  # out of the field
    press(page, "j", "a")
    page.select_option("#show", "open")
    settle(page)
    assert page.locator(".review-group").count() == 2
    page.select_option("#show", "different")
    settle(page)
    assert "No group matches" in page.inner_text("main")


def test_decisions_survive_a_reload(show, page, tmp_path: Path) -> None:
    show()
    press(page, "j", "2", "a")
    page.wait_for_function("() => Object.keys(localStorage).length === 1")
    show(tmp_path / "review.html")
    assert states(page) == ["accepted", "open", "open"]
    assert kept(page, 1) == ["copy.jpg"]


def test_groups_that_are_not_copies_become_verdicts(show) -> None:
    page = show()
    assert page.locator("#export-verdicts").is_hidden()
    press(page, "j", "n")
    rows = exported(page, "verdicts.csv", lambda: page.click("#export-verdicts"))
    assert [(row["query_id"], row["reference_id"], row["verdict"]) for row in rows] == [
        ("one.jpg", "copy.jpg", "different"),
        ("one.jpg", "other.jpg", "different"),
        ("copy.jpg", "other.jpg", "different"),
    ]
    assert rows[2]["score"] == "0.800000"


# -- comparing -------------------------------------------------------------------------------------


def names_compared(page: Any) -> list[str]:
    return [page.inner_text(f"#facts-{side} .name") for side in "ab"]


def test_comparing_by_keyboard(show) -> None:
    page = show()
    press(page, "j", "c")
    assert page.is_visible("#compare")
    assert names_compared(page) == ["one.jpg", "copy.jpg"]
    assert page.inner_text("#compare-score") == "Score 0.9500"
    press(page, "ArrowRight")
    assert names_compared(page) == ["one.jpg", "other.jpg"]
    press(page, "v")
    assert page.get_attribute("#stage", "data-mode") == "flip"
    assert page.is_visible("#pane-a") and page.is_hidden("#pane-b")
    press(page, "Space")
    assert page.is_hidden("#pane-a") and page.is_visible("#pane-b")
    press(page, "v")
    assert page.get_attribute("#stage", "data-mode") == "difference"
    press(page, "v", "+", "+")
    assert page.inner_text("#zoom") == "225 %"
    for side in "ab":
        assert "scale(2.25)" in page.get_attribute(f"#picture-{side}", "style")
    press(page, "0", "x", "3")
    assert page.inner_text("#zoom") == "fit"
    press(page, "a")
    assert page.is_hidden("#compare")
    assert kept(page, 1) == ["other.jpg"] and states(page)[0] == "accepted"
    assert page.evaluate("document.activeElement.dataset.position") == "1"
    press(page, "Enter", "Escape")
    assert page.is_hidden("#compare") and states(page)[1] == "open"


def test_comparing_by_mouse_zooms_where_the_pointer_is(show) -> None:
    page = show()
    card(page, 1).locator(".shot").nth(1).click()
    box = page.locator("#pane-a").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.wheel(0, -400)
    assert page.inner_text("#zoom") == "272 %"
    moved = page.evaluate(
        "new DOMMatrix(getComputedStyle(document.getElementById('picture-b')).transform).e"
    )
    assert moved > 100  # the upper left corner comes into view
    page.mouse.down()
    page.mouse.move(box["x"] - 90, box["y"] + 10)
    page.mouse.up()
    dragged = page.evaluate(
        "new DOMMatrix(getComputedStyle(document.getElementById('picture-b')).transform).e"
    )
    assert dragged == pytest.approx(moved - 100, abs=1)
    page.click("#mode-flip")
    page.click("#zoom-fit")
    page.mouse.click(box["x"] + 200, box["y"] + 200)
    assert page.get_attribute("#stage", "data-front") == "b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Real pictures with a shrunk copy, and a review of their groups made by the command."""
    from PIL import Image

    pictures = Path(shutil.copytree(PICTURES, tmp_path / "Pictures"))
    exif = Image.Exif()
    exif[271], exif[272] = "Canon", "Canon EOS 5D"
    exif.get_ifd(34665)[36867] = "2019:07:01 10:00:00"
    with Image.open(pictures / "4.jpg") as picture:
        picture.save(pictures / "camera.jpg", exif=exif)
        picture.resize((picture.width // 2, picture.height // 2)).save(pictures / "small.jpg")
    (pictures / "4.jpg").unlink()
    run("build-index", tmp_path / "i", pictures, "--model", "phash")
    run("cluster", tmp_path / "i", "-t", "0.9", "--report", tmp_path / "real.html")
    return tmp_path


def test_originals_are_read_from_this_machine_when_asked_for(show, page, folder: Path) -> None:
    show(folder / "real.html")
    place = page.locator(".review-group", has_text="camera.jpg")
    assert "taken 2019-07-01\nCanon EOS 5D" in place.inner_text()
    shot = place.locator(".shot img").first
    assert (
        shot.evaluate("(i) => i.decode().then(() => Math.max(i.naturalWidth, i.naturalHeight))")
        <= 160
    )
    page.check("#originals")
    settle(page)
    shot = place.locator(".shot img").first
    shot.scroll_into_view_if_needed()
    assert shot.evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 400
    shot.click()
    page.wait_for_function("() => document.getElementById('picture-a').src.startsWith('file:')")
    page.keyboard.press("f")
    assert page.inner_text("#zoom").endswith("%") or page.inner_text("#zoom") == "fit"


def test_a_missing_original_leaves_its_thumbnail(show, page, watched, folder: Path) -> None:
    (folder / "Pictures" / "small.jpg").unlink()
    show(folder / "real.html")
    place = page.locator(".review-group", has_text="camera.jpg")
    place.locator("[data-act=compare]").first.click()
    page.wait_for_function(
        "() => document.getElementById('facts-b').innerText.includes('cannot be shown')"
    )
    assert page.get_attribute("#picture-b", "src").startswith("data:image/webp")
    watched.problems.clear()  # the browser itself logs files that are not there


# -- touch, size, colours --------------------------------------------------------------------------


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
