"""What tests of a review in a browser press, read and export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.review_groups import group

GROUPS = [
    group(["a/one.jpg", "a/copy.jpg", "b/other.jpg"], [0.95, 0.9], 1),
    group(["a/two.jpg", "a/two small.jpg"], [0.999999], 11),
    group(["b/three.jpg", "b/three grey.jpg"], [0.87], 21),
]


def settle(page: Any) -> None:
    """Wait until the page has drawn its cards."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
    page.wait_for_selector("main:not([aria-busy])")


def press(page: Any, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        page.keyboard.press(key)


def card(page: Any, number: int) -> Any:
    """The card at this place, from 1."""
    return page.locator(".review-group").nth(number - 1)


def kept(page: Any, number: int) -> list[str]:
    """The names of the pictures that are kept in the group at this place."""
    return card(page, number).locator(".member.kept .name").all_inner_texts()


def states(page: Any) -> list[str]:
    """The state of each group: open, accepted or different."""
    return page.locator(".review-group").evaluate_all("(all) => all.map((e) => e.dataset.state)")


def names_compared(page: Any) -> list[str]:
    """The names of both pictures in the comparison."""
    return [page.inner_text(f"#facts-{side} .name") for side in "ab"]


def exported(page: Any, name: str, ask: Callable[[], None]) -> list[dict[str, str]]:
    """The rows of the CSV called `name` that `ask` makes the page download."""
    with page.expect_download() as download:
        ask()
    assert download.value.suggested_filename == name
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))


def decisions(page: Any) -> list[tuple[str, str, str, str]]:
    """Group, id, keep and score of each exported decision."""
    rows = exported(page, "decisions.csv", lambda: page.keyboard.press("e"))
    return [(row["group"], row["id"], row["keep"], row["score"]) for row in rows]
