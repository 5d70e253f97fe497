"""Folders, files and patterns of names as sources: which files below a folder are pictures."""

from __future__ import annotations

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
        "notes.txt",
    ):
        path = pictures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"text" if name.endswith(("txt", "db")) else picture)

    listed = vecsim("list-images", "pics", "--exclude", "thumbs/")
    everything = vecsim("list-images", "pics", "--all-files")

    assert sorted(Path(row["id"]).name for row in listed.rows) == [
        *(f"{n}.jpg" for n in range(1, 7)),
        "ico.ico",
    ]
    assert (
        "4 folders of the system, such as @eaDir or $RECYCLE.BIN" in listed.err
        and "1 excluded folders" in listed.err
    )
    assert {Path(row["id"]).name for row in everything.rows} == {
        *(f"{n}.jpg" for n in range(1, 7)),
        *("ico.ico", "small.jpg", "photo.jpg?width=300", "nosuffix"),
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
