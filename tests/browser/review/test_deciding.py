"""Deciding which pictures of a review to keep, by keyboard and mouse: undo, filters, exports."""

from __future__ import annotations

from pathlib import Path

from support.review_page import card, decisions, exported, kept, press, settle, states


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
