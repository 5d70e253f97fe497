"""Folders, files and patterns of names as sources: which files below a folder are pictures."""

from __future__ import annotations

import threading
from pathlib import Path


def test_pictures_and_patterns_are_sources(vecsim, pictures: Path) -> None:
    one = vecsim("build-index", "new", "pics/1.jpg")
    some = vecsim("add", "new", "pics/[12].jpg", "--on-duplicate", "skip")
    none = vecsim("add", "new", "pics/*.gif")

    assert (one.err, one.status) == ("new: 1 added.\n", 0)
    assert some.err == "new: 1 added, 1 already known.\n"
    assert (none.err, none.status) == ("Error: no such file or folder: pics/*.gif\n", 1)


def test_folders_leave_out_files_of_systems_and_other_kinds(vecsim, pictures: Path) -> None:
    picture = (pictures / "1.jpg").read_bytes()
    for name in (
        "@eaDir/1.jpg/SYNOPHOTO_THUMB.jpg",
        "#recycle/old.jpg",
        ".Trash-1000/old.jpg",
        "$RECYCLE.BIN/old.jpg",
        ".hidden/x.jpg",
        "._1.jpg",
        "Thumbs.db",
        "thumbs/small.jpg",
        "photo.jpg?width=300",
        "nosuffix",
        "ico.ico",
        "grey.pgm",
        "colours.ppm",
        "notes.txt",
    ):
        path = pictures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if name.endswith(("txt", "db")) else picture)

    listed = vecsim("list-images", "pics", "--exclude", "thumbs/")
    everything = vecsim("list-images", "pics", "--all-files")

    assert sorted(Path(row["id"]).name for row in listed.rows) == [
        *(f"{n}.jpg" for n in range(1, 7)),
        *("colours.ppm", "grey.pgm", "ico.ico"),
    ]
    assert (
        "4 folders of the system, such as @eaDir or $RECYCLE.BIN" in listed.err
        and "1 excluded folders" in listed.err
    )
    assert {Path(row["id"]).name for row in everything.rows} == {
        *(f"{n}.jpg" for n in range(1, 7)),
        *("colours.ppm", "grey.pgm", "ico.ico", "small.jpg", "photo.jpg?width=300", "nosuffix"),
    }


def test_a_broken_link_in_a_folder_is_one_failure(vecsim, pictures: Path) -> None:
    (pictures / "gone.jpg").symlink_to("/nowhere/gone.jpg")
    (pictures / "loop.jpg").symlink_to("loop.jpg")

    built = vecsim("build-index", "new", "pics")
    matched = vecsim("match", "pics")
    calibrated = vecsim("calibrate", "pics")

    assert "new: 6 added, 2 failed (2 no-file)." in built.err
    assert (built.status, matched.status, calibrated.status) == (3, 3, 0)
    assert len(matched.pairs) > 0


def test_files_that_come_and_go_while_a_folder_is_read_end_nothing(vecsim, pictures: Path) -> None:
    data, over = (pictures / "1.jpg").read_bytes(), threading.Event()
    vecsim("build-index", "new", "pics")

    def come_and_go() -> None:
        while not over.is_set():
            for number in range(40):
                (pictures / f"{number}-new.jpg").write_bytes(data)
            for number in range(40):
                (pictures / f"{number}-new.jpg").unlink()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        commands = [("add", "new", "pics", "--on-duplicate", "skip"), ("match", "pics")]
        ran = [vecsim(*words) for words in (*commands, ("list-images", "pics"))]
    finally:
        over.set()
        thread.join()

    for each in ran:
        assert each.status in (0, 3), each.err
        assert "unexpected" not in each.err
    assert {row["kind"] for row in vecsim("failures", "new").rows} <= {"no-file", "not-an-image"}


def test_the_suffixes_of_files_that_are_passed_over_are_shown(vecsim, pictures: Path) -> None:
    folder = pictures
    for name in (
        "1.CR2",
        "2.cr2",
        "1.xmp",
        "1.mp4",
        "1.pdf",
        "1.db",
        "none",
        "1.\udce9",
        "1.\x1b[2J",
    ):
        (folder / name).write_bytes(b"x")
    said = vecsim("build-index", "i", folder).err
    assert "9 files without the suffix of a picture (2 .cr2, 1 .db" in said
    assert ", …)" in said
