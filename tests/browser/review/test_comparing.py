"""Comparing two pictures of a review, and its pictures in full size from this machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from support.commands import run
from support.review_page import GROUPS, card, kept, names_compared, press, settle, states
from support.web_server import PICTURES


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
    assert page.get_attribute("#picture-b", "src").startswith("data:image/jpeg")
    watched.problems.clear()  # the browser itself logs files that are not there


def test_turned_pictures_are_shown_as_the_kept_one_is(show) -> None:
    turned = replace(GROUPS[1], orientations=("0", "mirror+90"))
    page = show([turned], oriented=True)
    picture = page.locator(".member img").nth(1)
    assert picture.get_attribute("style") == "transform: rotate(90deg) scaleX(-1);"
    assert "mirrored, turned 90°" in page.locator(".member").nth(1).inner_text()
    page.locator(".member .shot").nth(1).click()
    assert "rotate(90deg) scaleX(-1)" in page.locator("#picture-b").get_attribute("style")
    assert "rotate" not in page.locator("#picture-a").get_attribute("style")
