"""Folders of images, and the names of sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vecsim.errors import InputError
from vecsim.sources import list_images, read_source, source_name


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_images_are_listed_in_order_without_hidden_ones(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "z/1.webp", "c/2.jpeg", "c/d/3.heic")
    touch(tmp_path, "notes.txt", ".hidden.jpg", ".thumbs/4.jpg", "no_suffix", "x.jpg.part")
    found = [str(path.relative_to(tmp_path)) for path in list_images(tmp_path)]
    assert found == ["a.png", "b.JPG", "c/2.jpeg", "c/d/3.heic", "z/1.webp"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a/back").symlink_to(tmp_path)
    (tmp_path / "a/2.jpg").symlink_to(tmp_path / "a/1.jpg")
    assert [path.name for path in list_images(tmp_path)] == ["1.jpg", "2.jpg"]


def test_images_of_a_folder_are_referred_to_by_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "pics/1.jpg")
    monkeypatch.chdir(tmp_path)
    (ref,) = read_source("pics/../pics")
    assert ref.id == ref.url == str(tmp_path / "pics/1.jpg")
    assert ref.location == "pics/../pics/1.jpg"


@pytest.mark.parametrize(
    ("folder", "locations"),
    [
        (".", ["-.jpg", "pics/1.jpg"]),
        ("./pics/", ["pics/1.jpg"]),
        ("pics/..", ["pics/../-.jpg", "pics/../pics/1.jpg"]),
    ],
)
def test_images_are_located_as_their_paths_are_written(
    folder: str, locations: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "pics/1.jpg", "-.jpg")
    monkeypatch.chdir(tmp_path)
    refs = list(read_source(folder))
    assert [ref.location for ref in refs] == locations
    assert [ref.url for ref in refs] == [os.path.abspath(ref.location) for ref in refs]


def test_a_file_name_that_is_not_valid_text_becomes_a_file_url(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    try:
        Path(os.fsdecode(path)).touch()
    except OSError:
        pytest.skip("this file system takes text only")
    (ref,) = read_source(tmp_path)
    assert ref.url == tmp_path.as_uri() + "/%FF.jpg"
    assert ref.id == ref.url


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(InputError, match="no images in the folder"):
        list(read_source(tmp_path))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        list(list_images(tmp_path / "gone"))


def test_an_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:  # permissions do not stop root, who may run the tests
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot read the folder .*: Permission denied"):
        list(list_images(tmp_path))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("demo/test1.csv", "test1"),
        ("shop.jsonl", "shop"),
        ("indexes/v1.2", "v1.2"),
        ("pictures/", "pictures"),
        ("-", "stdin"),
        ("my shop (new).tsv", "my-shop-new"),
        ("鞋.csv", "鞋"),
        (Path("a/b.c.csv"), "b.c"),
        ("/", "source"),
    ],
)
def test_source_names(source: str | Path, name: str) -> None:
    assert source_name(source) == name


def test_source_name_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shoes").mkdir()
    monkeypatch.chdir(tmp_path / "shoes")
    assert source_name(".") == "shoes"
