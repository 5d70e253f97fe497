"""`vecsim apply`: what each method does with the files of a list, and that undo takes it back."""

from __future__ import annotations

import csv
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apply_lists import ids_in, write_choices
from support.trees import hashes, tree, whole_tree


def test_nothing_is_done_by_default(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)

    ran = vecsim("apply", copies, "--index", "idx")

    assert (ran.status, tree(folder)) == (0, before)
    assert [(Path(row["url"]).name, row["status"]) for row in ran.rows] == [
        ("3.jpg", "planned"),
        ("four.jpg", "planned"),
    ]
    assert ran.err.splitlines() == [
        "2 files would be given up. Nothing was changed.",
        "Choose what to do: --move-to FOLDER, --trash, --hardlink, --symlink, --reflink, or "
        "--delete --yes.",
    ]
    assert not Path("groups.journal").exists()


def test_a_list_of_cluster_is_applied_and_taken_back(vecsim, folder: Path) -> None:
    before, ids = tree(folder), ids_in("idx")
    assert vecsim("cluster", "idx", "-o", "groups.csv").status == 0
    rows = list(csv.DictReader(Path("groups.csv").read_text().splitlines()))
    given_up = {Path(row["url"]) for row in rows if row["keep"] == "no"}
    assert len(given_up) >= 3

    ran = vecsim("apply", "groups.csv", "--index", "idx", "--move-to", "gone")

    assert ran.status == 0, ran.err
    assert f"{len(given_up)} files moved.\n" in ran.err
    assert "Take it back with: vecsim undo groups.journal\n" in ran.err
    assert not any(path.exists() for path in given_up)
    assert hashes(folder, Path("gone")) == {*hashes(folder), *hashes(Path("gone"))}
    assert len(ids_in("idx")) == len(ids) - len(given_up)
    assert vecsim("verify", "idx").status == 0

    back = vecsim("undo", "groups.journal")

    assert (back.status, tree(folder), ids_in("idx")) == (0, before, ids)
    assert f"{len(given_up)} files brought back.\n" in back.err
    assert not Path("gone").exists()
    assert vecsim("verify", "idx").status == 0


def test_moving_keeps_the_tree_and_overwrites_nothing(vecsim, copies: Path, folder: Path) -> None:
    taken = Path("gone/old/3.jpg")
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")

    ran = vecsim("apply", copies, "--index", "idx", "--move-to", "gone")

    assert ran.status == 0
    assert taken.read_text() == "mine"
    assert set(tree(Path("gone"))) == {"old/3.jpg", "old/3-2.jpg", "old/four.jpg"}
    assert [Path(row["target"]).name for row in ran.rows] == ["3-2.jpg", "four.jpg"]


def test_moving_to_another_file_system(vecsim, copies: Path, folder: Path, other_disk) -> None:
    before = tree(folder)

    ran = vecsim("apply", copies, "--index", "idx", "--move-to", other_disk / "gone")

    assert ran.status == 0, ran.err
    moved = tree(other_disk / "gone")
    assert moved == {name: before[name] for name in ("old/3.jpg", "old/four.jpg")}
    assert set(tree(folder)) == {"1.jpg", "2.jpg", "3.jpg", "4.jpg"}
    assert vecsim("undo", "groups.journal").status == 0
    assert tree(folder) == before
    assert list(other_disk.iterdir()) == []


def test_the_trash_is_that_of_the_desktop(vecsim, copies, folder, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(Path("share").absolute()))
    before = tree(folder)

    ran = vecsim("apply", copies, "--index", "idx", "--trash")

    assert ran.status == 0, ran.err
    trash = Path("share/Trash")
    assert set(tree(trash / "files")) == {"3.jpg", "four.jpg"}
    info = (trash / "info" / "3.jpg.trashinfo").read_text().splitlines()
    assert info[:2] == ["[Trash Info]", f"Path={(folder / 'old/3.jpg').absolute()}"]
    assert info[2].startswith("DeletionDate=20")
    assert vecsim("undo", "groups.journal").status == 0
    assert (tree(folder), set(tree(trash))) == (before, set())


def test_an_emptied_trash_is_reported(vecsim, copies, folder, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(Path("share").absolute()))
    vecsim("apply", copies, "--index", "idx", "--trash")
    shutil.rmtree("share")

    ran = vecsim("undo", "groups.journal")

    assert ran.status == 3
    target = Path("share/Trash/files/3.jpg").absolute()
    assert f"{(folder / 'old/3.jpg').absolute()}: it is not at {target} any more\n" in ran.err
    assert "2 files could not be brought back.\n" in ran.err


@pytest.mark.parametrize("method", ["hardlink", "symlink"])
def test_links_replace_identical_files_only(vecsim, folder: Path, method: str) -> None:
    before, ids = tree(folder), ids_in("idx")
    choices = write_choices(
        {"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "2.jpg": ("1", "no")},
    )

    ran = vecsim("apply", choices, "--index", "idx", f"--{method}")

    assert ran.status == 3
    why = {Path(row["url"]).name: row["why"] for row in ran.rows}
    assert why == {"3.jpg": "", "2.jpg": "its bytes differ from those of the kept file"}
    left = "1 image left unchanged:\n  1: its bytes differ from those of the kept file\n"
    assert left in ran.err
    linked = folder / "old/3.jpg"
    assert linked.samefile(folder / "3.jpg")
    if method == "symlink":
        assert os.readlink(linked) == "../3.jpg"
    assert ids_in("idx") == ids
    assert vecsim("undo", "groups.journal").status == 0
    assert tree(folder) == before
    assert not linked.samefile(folder / "3.jpg")


def test_a_file_system_without_clones_is_reported(vecsim, copies: Path, folder: Path) -> None:
    before = whole_tree(folder)

    ran = vecsim("apply", copies, "--index", "idx", "--reflink")

    if ran.status == 0:
        pytest.skip("this file system has clones")
    assert ran.status == 3
    assert {row["why"] for row in ran.rows} <= {"operation not supported", "invalid argument"}
    assert whole_tree(folder) == before


@pytest.fixture(params=["btrfs", "xfs"])
def disk_with_clones(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An empty file system whose files can share blocks."""
    mkfs = shutil.which(f"mkfs.{request.param}")
    if mkfs is None or os.geteuid() != 0:
        pytest.skip(f"needs root and mkfs.{request.param}")
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    image.touch()
    os.truncate(image, 320 << 20)
    place.mkdir()
    subprocess.run([mkfs, "-q", image], check=True, stdout=subprocess.DEVNULL)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True)
    if mounted.returncode:
        pytest.skip("no loop mount is permitted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_clones_share_blocks_and_keep_their_times(vecsim, pictures, disk_with_clones) -> None:
    disk = disk_with_clones
    for name in ("kept.jpg", "x/copy.jpg"):
        (disk / name).parent.mkdir(exist_ok=True)
        shutil.copy(pictures / "3.jpg", disk / name)
    os.utime(disk / "x/copy.jpg", ns=(1_700_000_000_000_000_001, 1_600_000_000_000_000_001))
    os.utime(disk / "x", ns=(1_700_000_000_000_000_001, 1_600_000_000_000_000_001))
    (disk / "x/copy.jpg").chmod(0o640)
    before = whole_tree(disk)
    vecsim("build-index", "idx", disk)
    vecsim("cluster", "idx", "--keep", "first", "-o", "groups.csv")
    assert not _share_blocks(disk / "kept.jpg", disk / "x/copy.jpg")

    ran = vecsim("apply", "groups.csv", "--index", "idx", "--reflink")

    assert ran.status == 0, ran.err
    assert "1 file replaced by clones that share their blocks.\n" in ran.err
    assert _share_blocks(disk / "kept.jpg", disk / "x/copy.jpg")
    assert tree(disk) == {name: about for name, about in before.items() if name[-1] != "/"}
    assert vecsim("undo", "groups.journal").status == 0
    assert whole_tree(disk) == before
    assert not _share_blocks(disk / "kept.jpg", disk / "x/copy.jpg")


def _share_blocks(one: Path, other: Path) -> bool:
    """Whether the first block of both files is the same one on the disk."""
    blocks = []
    for path in (one, other):
        with path.open("rb") as file:
            os.fsync(file)
            # struct fiemap of linux/fiemap.h with room for one extent
            request = struct.pack("=QQIIII", 0, 1 << 40, 1, 0, 1, 0) + bytes(56)
            answer = fcntl.ioctl(file, 0xC020660B, request)
            assert struct.unpack_from("=I", answer, 20)[0] == 1
            blocks.append(struct.unpack_from("=Q", answer, 40)[0])
    return blocks[0] == blocks[1]


def test_deleting_needs_a_confirmation_and_is_final(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)
    asked = vecsim("apply", copies, "--index", "idx", "--delete")
    assert (asked.status, tree(folder)) == (0, before)
    assert asked.err.splitlines() == [
        "2 files would be deleted. Nothing was changed.",
        "To delete them, use --delete --yes. Deleted files cannot be brought back.",
    ]

    ran = vecsim("apply", copies, "--index", "idx", "--delete", "--yes")

    assert (ran.status, ran.err.splitlines()[:2]) == (
        0,
        ["Deleted files cannot be brought back.", "2 files deleted."],
    )
    assert set(tree(folder)) == {"1.jpg", "2.jpg", "3.jpg", "4.jpg"}
    back = vecsim("undo", "groups.journal")
    assert back.err.splitlines()[:2] == [
        "0 files brought back.",
        "2 files deleted for good, such as:",
    ]


def test_a_link_that_is_given_up_moves_itself_not_its_target(vecsim, folder: Path) -> None:
    outside = Path("outside.jpg")
    shutil.copy(folder / "3.jpg", outside)
    (folder / "link.jpg").symlink_to("../outside.jpg")
    vecsim("add", "idx", folder)
    before = tree(folder)
    choices = write_choices({"3.jpg": ("1", "yes"), "link.jpg": ("1", "no")})

    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone")

    assert ran.status == 0, ran.out
    assert outside.is_file() and not (folder / "link.jpg").is_symlink()
    assert os.readlink("gone/link.jpg") == "../outside.jpg"
    assert vecsim("undo", "groups.journal").status == 0
    assert tree(folder) == before
