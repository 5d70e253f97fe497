"""Fixtures for tests of the review of groups in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.review_groups import write_review
from support.review_page import GROUPS, settle
from vecsim.results import Cluster


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
