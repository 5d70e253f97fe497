"""Links of reports and reviews lead to the web or to files of this machine, nowhere else."""

from __future__ import annotations

import pytest

from vecsim.paths import link_to_file
from vecsim.render.report import link_to


@pytest.mark.parametrize(
    "url",
    [
        "file://evil.example/share/x.jpg", "FILE://evil.example/x", "file:////evil.example/share/x",
        "file:///\\\\evil.example\\x", "file:\\\\evil.example\\x", "file:///\\evil.example\\x",
        "//evil.example/share/x.jpg", "file:///a\\..\\b", "file://localhost.evil/x", "file:x.jpg",
        "/a\0b", "x.jpg", "",
    ],
)  # fmt: skip
def test_other_addresses_are_no_links(url: str) -> None:
    assert link_to(url) == ""


@pytest.mark.parametrize("scheme", ["javascript", "JavaScript", "vbscript", "data", "blob", "ftp"])
def test_no_other_scheme_is_a_link(scheme: str) -> None:
    """Browsers ignore blanks and control characters before a scheme."""
    for before in ("", " ", "\n", "\x01"):
        assert link_to(f"{before}{scheme}:alert(1)") == ""
        assert link_to(f"{before}{scheme}://shop.example/%0aalert(1)") == ""


@pytest.mark.parametrize("path", [r"\\evil.example\x", r"\x.jpg", "x.jpg", "C:x.jpg"])
def test_a_share_and_a_relative_path_of_windows_are_no_links(path: str) -> None:
    assert link_to_file(path, windows=True) == ""
    assert link_to_file("C:\\x.jpg", windows=True) == "file:///C:/x.jpg"


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
