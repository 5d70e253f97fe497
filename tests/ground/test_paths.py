"""Paths of Windows and of POSIX systems, as text: the same functions on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from vecsim import paths
from vecsim.fetch import address as addresses
from vecsim.fetch.address import parse_address
from vecsim.sources import cells


@pytest.mark.parametrize(
    ("text", "windows", "posix"),
    [
        (r"C:\pics\1.jpg", True, False),
        ("c:/pics/1.jpg", True, False),
        (r"\\nas\pics\1.jpg", True, False),
        (r"\\?\C:\pics\1.jpg", True, False),
        ("/pics/1.jpg", False, True),
        ("C:1.jpg", False, False),
        (r"pics\1.jpg", False, False),
        ("http://shop.example/1.jpg", False, False),
    ],
)
def test_what_is_absolute(text: str, windows: bool, posix: bool) -> None:
    assert paths.is_absolute(text, windows=True) is windows
    assert paths.is_absolute(text, windows=False) is posix
    assert paths.is_of_windows(text) is windows


@pytest.mark.parametrize(
    ("text", "folder", "resolved"),
    [
        (r"1.jpg", r"C:\shop", r"C:\shop\1.jpg"),
        (r"..\pics/1.jpg", r"C:\shop", r"C:\pics\1.jpg"),
        (r"\pics\1.jpg", r"D:\shop", r"D:\pics\1.jpg"),
        ("/pics/1.jpg", r"\\nas\shop\lists", r"\\nas\shop\pics\1.jpg"),
        (r"C:\Pics\..\1.jpg", r"D:\shop", r"C:\Pics\..\1.jpg"),
        (r"\\nas\pics\1.jpg", r"D:\shop", r"\\nas\pics\1.jpg"),
    ],
)
def test_paths_of_windows_are_resolved(text: str, folder: str, resolved: str) -> None:
    assert paths.resolve(text, folder, windows=True) == resolved


def test_paths_of_posix_are_resolved() -> None:
    assert paths.resolve("../1.jpg", "/shop/lists", windows=False) == "/shop/1.jpg"
    assert paths.resolve("/a/../1.jpg", "/shop", windows=False) == "/a/../1.jpg"
    assert paths.resolve(r"a\1.jpg", "/shop", windows=False) == r"/shop/a\1.jpg"


@pytest.mark.parametrize(
    ("url_path", "path"),
    [
        ("/C:/Pics/a b.jpg", r"C:\Pics\a b.jpg"),
        ("/c|/pics/1.jpg", r"c:\pics\1.jpg"),
        ("/C:", "C:\\"),
        ("/pics/1.jpg", r"\pics\1.jpg"),
    ],
)
def test_file_urls_of_windows_name_paths(url_path: str, path: str) -> None:
    assert paths.path_in_file_url(url_path, windows=True) == path
    assert paths.path_in_file_url(url_path, windows=False) == url_path


def test_a_link_leads_to_files_of_this_machine_only() -> None:
    assert paths.link_to_file(r"C:\Pics\a b.jpg", windows=True) == "file:///C:/Pics/a%20b.jpg"
    for text in (r"\\nas\pics\1.jpg", "//nas/pics/1.jpg", r"\\?\C:\1.jpg", r"pics\1.jpg", "/1.jpg"):
        assert paths.link_to_file(text, windows=True) == "", text
    assert paths.link_to_file("/a b.jpg", windows=False) == "file:///a%20b.jpg"
    for text in ("//nas/1.jpg", r"C:\1.jpg", "1.jpg", "/a\0", "/\ud800"):
        assert paths.link_to_file(text, windows=False) == "", text


def test_long_paths_of_windows_get_the_prefix() -> None:
    name = "x" * 240
    assert paths.openable(f"C:/pics/../{name}.jpg", windows=True) == f"\\\\?\\C:\\{name}.jpg"
    share = f"\\\\nas\\pics\\{name}.jpg"
    assert paths.openable(share, windows=True) == f"\\\\?\\UNC\\nas\\pics\\{name}.jpg"
    prefixed = f"\\\\?\\C:\\{name}\\1.jpg"
    for same in (r"C:\1.jpg", prefixed, f"{name}{name}.jpg", f"/{name}{name}"):
        assert paths.openable(same, windows=True) == same
    assert paths.openable(f"/{name}{name}", windows=False) == f"/{name}{name}"


def test_names_of_windows_are_the_same_in_capitals() -> None:
    assert paths.is_below(r"c:\pics\Summer\1.JPG", r"C:\Pics", windows=True)
    assert paths.is_below(r"\\NAS\pics\1.jpg", r"\\nas\Pics", windows=True)
    assert not paths.is_below(r"C:\pics2\1.jpg", r"C:\pics", windows=True)
    assert not paths.is_below("/Pics/1.jpg", "/pics", windows=False)


def test_the_last_name_of_an_address() -> None:
    assert paths.file_name(r"C:\pics\IMG 1.jpg") == "IMG 1.jpg"
    assert paths.file_name(r"\\nas\pics\1.jpg") == "1.jpg"
    assert paths.file_name("http://shop.example/a/1.jpg") == "1.jpg"
    assert paths.file_name(r"/pics/a\1.jpg") == r"a\1.jpg"


def test_files_of_several_drives_keep_their_drives_below_a_folder() -> None:
    one = [r"C:\Pics\a", r"c:\pics\b"]
    folder = paths.common_folder(one, windows=True)
    assert folder is not None
    assert paths.names_below(r"C:\PICS\a\1.jpg", folder, windows=True) == ("a", "1.jpg")
    assert paths.common_folder([*one, r"\\nas\share\x"], windows=True) is None
    assert paths.names_below(r"C:\Pics\1.jpg", None, windows=True) == ("C", "Pics", "1.jpg")
    shared = paths.names_below(r"\\nas\share\x\1.jpg", None, windows=True)
    assert shared == ("nas", "share", "x", "1.jpg")
    assert paths.common_folder(["/a/b", "/a/c"], windows=False) == "/a"
    assert paths.names_below("/a/b/1.jpg", "/a", windows=False) == ("b", "1.jpg")
    assert paths.names_below("/1.jpg", paths.common_folder([]), windows=False) == ("1.jpg",)


def test_lists_on_windows_name_paths_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cells.problem_of(r"C:\1.jpg").endswith("is a path on a Windows computer")
    monkeypatch.setattr(paths, "WINDOWS", True)
    assert cells.problem_of(r"C:\1.jpg") == ""
    for text in (r"C:\pics\1.jpg", r"\\nas\pics\1.jpg", "C:/pics/1.jpg"):
        assert cells.resolve(text, Path("shop")) == text
        assert str(parse_address(text).path) == text
    with pytest.raises(addresses.ImageError, match="of another host, nas"):
        parse_address("file://nas/pics/1.jpg")
