"""Links of reports and reviews lead to the web or to files of this machine, nowhere else."""

from __future__ import annotations

import pytest

from vecsim.render.report import link_to


@pytest.mark.parametrize(
    "url",
    [
        "file://evil.example/share/x.jpg", "FILE://evil.example/x", "file:////evil.example/share/x",
        "file:///\\\\evil.example\\x", "file:\\\\evil.example\\x", "file:///\\evil.example\\x",
        "//evil.example/share/x.jpg", "file:///a\\..\\b", "file://localhost.evil/x", "file:x.jpg",
        "javascript:alert(1)", "data:text/html,x", "\\\\evil.example\\x", "vbscript:x", "", "x.jpg",
        "/a\0b", " javascript:alert(1)",
    ],
)  # fmt: skip
def test_other_addresses_are_no_links(url: str) -> None:
    assert link_to(url) == ""


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://shop.example/1.jpg", "https://shop.example/1.jpg"),
        ("HTTP://shop.example/1.jpg", "HTTP://shop.example/1.jpg"),
        ("file:///pictures/1.jpg", "file:///pictures/1.jpg"),
        ("file://localhost/pictures/1.jpg", "file://localhost/pictures/1.jpg"),
        ("file:/pictures/1.jpg", "file:/pictures/1.jpg"),
        ("/pictures/a b.jpg", "file:///pictures/a%20b.jpg"),
    ],
)
def test_pictures_of_the_web_and_of_this_machine_are_links(url: str, link: str) -> None:
    assert link_to(url) == link
