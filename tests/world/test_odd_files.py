"""Folders with names that are no text, pipes, loops of links and files in the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.measured_command import Ran
from support.shop import picture
from vecsim import Index

Inside = Callable[..., Ran]


def test_a_folder_of_odd_files_is_indexed(inside: Inside, tmp_path: Path) -> None:
    folder = tmp_path / "old disk"
    (folder / "sub").mkdir(parents=True)
    odd = [b"new\nline.png", b"caf\xe9.png", "café ü%20#?.png".encode(), b" .png", b"a,b\";'.png"]
    try:
        for number, name in enumerate(odd):
            Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(picture(number))
        Path(os.fsdecode(os.fsencode(folder) + b"/\xfe.png")).symlink_to("nowhere")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    (folder / "sub" / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "byte.jpg").write_bytes(b"x")
    (folder / "empty.jpg").touch()

    ran = inside("build-index", "index", folder)

    assert ran.err.startswith(f"index: {len(odd)} added, 4 failed (2 no-file, 2 not-an-image)")
    kinds = {row["id"].rpartition("/")[2]: row for row in inside("failures", "index").rows}
    assert {name: row["kind"] for name, row in kinds.items()} == {
        "pipe.jpg": "no-file",
        "%FE.png": "no-file",
        "byte.jpg": "not-an-image",
        "empty.jpg": "not-an-image",
    }
    assert kinds["%FE.png"]["message"].endswith("\ufffd.png: No such file or directory")
    assert inside("match", "index", "-t", "1", "--report", "report.html").status == 0
    with Index.open("index") as index:
        assert index.refresh().unchanged == len(odd)


def test_images_that_could_not_be_committed_do_not_count(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(picture(number))
    Index.create("index", "phash").close()
    in_the_way = Path("index", "thumbnails.db")
    in_the_way.mkdir()

    ran = inside("add", "index", "pictures")

    assert ran.status == 1
    what = "Error: index/thumbnails.db: a folder, where an index has a file of its own."
    assert ran.err.startswith(what)
    in_the_way.rmdir()
    assert inside("add", "index", "pictures").err == "index: 3 added.\n"
