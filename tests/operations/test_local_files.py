"""Local files are known by what they are, not by how their path is written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vecsim.operations.local_files import file_identity, is_missing, is_real_path, local_path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a picture.jpg"
    path.write_bytes(b"picture")
    return path


def test_all_names_of_a_file_have_one_identity(file: Path, monkeypatch) -> None:
    folder = file.parent
    (folder / "link.jpg").symlink_to(file)
    (folder / "hard.jpg").hardlink_to(file)
    (folder / "folder").symlink_to(folder)
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder)
    identity = file_identity(str(file))
    assert identity is not None
    for name in (
        f"{folder}/link.jpg",
        f"{folder}/hard.jpg",
        f"{folder}/folder/a picture.jpg",
        f"{folder}/sub/../a picture.jpg",
        f"{folder}/.//a picture.jpg",
        file.as_uri(),
        "a picture.jpg",
    ):
        assert file_identity(name) == identity, name
    (folder / "copy.jpg").write_bytes(b"picture")
    assert file_identity(f"{folder}/copy.jpg") not in (None, identity)


def test_a_mount_is_the_same_file(file: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    done = subprocess.run(["mount", "--bind", tmp_path, mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no bind mount is permitted here")
    try:
        assert file_identity(str(mounted / file.name)) == file_identity(str(file))
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_without_inodes_the_real_path_counts(file: Path, monkeypatch) -> None:
    (file.parent / "link.jpg").symlink_to(file)
    real = os.stat(file)
    without = os.stat_result((real.st_mode, 0, *real[2:]))
    monkeypatch.setattr(Path, "stat", lambda self, **kwargs: without)
    identity = file_identity(str(file))
    assert identity is not None and identity.path == str(file)
    assert file_identity(f"{file.parent}/link.jpg") == identity


def test_what_is_no_file_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for url in (
        str(tmp_path / "gone.jpg"),
        str(tmp_path / "dangling.jpg"),
        str(tmp_path / "loop.jpg"),
        str(tmp_path),
        (tmp_path / "gone.jpg").as_uri(),
    ):
        assert file_identity(url) is None and is_missing(url), url
    for url in ("https://example.com/a.jpg", "", "ftp://example.com/a.jpg", "http://[bad"):
        assert file_identity(url) is None and not is_missing(url), url
        assert local_path(url) is None


def test_a_relative_path_that_is_not_here_may_be_elsewhere() -> None:
    assert file_identity("pictures/no.jpg") is None
    assert not is_missing("pictures/no.jpg")


def test_a_path_is_real_if_no_link_is_on_it(file: Path) -> None:
    (file.parent / "link.jpg").symlink_to(file)
    assert is_real_path(str(file)) and is_real_path(f"{file.parent}/./{file.name}")
    assert not is_real_path(f"{file.parent}/link.jpg")
    assert not is_real_path("https://example.com/a.jpg")
