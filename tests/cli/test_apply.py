"""`vecsim apply` and `vecsim undo` on real files: what is done, refused, and said."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from support.trees import hashes, tree

PICTURES = Path("Pictures")


@pytest.fixture
def folder(vecsim, pictures: Path) -> Path:
    """An index `idx` of `Pictures`: 3.jpg, two edited copies, and exact copies in subfolders."""
    home = Path("Pictures")
    (home / "old").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        shutil.copy(pictures / name, home / name)
    shutil.copy(pictures / "3.jpg", home / "old" / "3.jpg")
    shutil.copy(pictures / "4.jpg", home / "old" / "four.jpg")
    for number, path in enumerate(sorted(home.rglob("*.jpg"))):
        os.utime(path, ns=(1_700_000_000_000_000_000 + number, 1_600_000_000_123_456_789 + number))
        path.chmod(0o640 if number % 2 else 0o604)
    assert vecsim("build-index", "idx", home).status == 0
    return home


def _choices(rows: dict[str, tuple[str, str]], name: str = "groups.csv") -> Path:
    """A list of groups: path below Pictures -> (group, keep)."""
    with Path(name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "id", "url", "keep"])
        for path, (group, keep) in rows.items():
            place = path if "://" in path else str(Path("Pictures", path).absolute())
            writer.writerow([group, place, place, keep])
    return Path(name)


@pytest.fixture
def copies(folder: Path) -> Path:
    """A list that gives up both exact copies."""
    return _choices(
        {
            "3.jpg": ("1", "yes"),
            "old/3.jpg": ("1", "no"),
            "4.jpg": ("2", "yes"),
            "old/four.jpg": ("2", "no"),
        }
    )


def _ids(vecsim, index: str = "idx") -> set[str]:
    with sqlite3.connect(Path(index, "catalog.db")) as catalog:
        sql = "SELECT id FROM images WHERE removed_generation IS NULL"
        return {str(Path(row[0]).relative_to(PICTURES.absolute())) for row in catalog.execute(sql)}


# -- what is done --------------------------------------------------------------------------------


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
    before, ids = tree(folder), _ids(vecsim)
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
    assert len(_ids(vecsim)) == len(ids) - len(given_up)
    assert vecsim("verify", "idx").status == 0

    back = vecsim("undo", "groups.journal")

    assert (back.status, tree(folder), _ids(vecsim)) == (0, before, ids)
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


@pytest.fixture
def other_disk(tmp_path: Path):
    """A folder on another file system."""
    place = Path("/dev/shm")
    if not place.is_dir() or place.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    made = place / f"vecsim-test-{os.getpid()}"
    made.mkdir()
    yield made
    shutil.rmtree(made)


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


def test_an_emptied_trash_is_said(vecsim, copies, folder, monkeypatch) -> None:
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
    before, ids = tree(folder), _ids(vecsim)
    choices = _choices(
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
    assert _ids(vecsim) == ids
    assert vecsim("undo", "groups.journal").status == 0
    assert tree(folder) == before
    assert not linked.samefile(folder / "3.jpg")


def test_a_file_system_without_clones_is_said(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)

    ran = vecsim("apply", copies, "--index", "idx", "--reflink")

    if ran.status == 0:
        pytest.skip("this file system has clones")
    assert ran.status == 3
    assert {row["why"] for row in ran.rows} <= {"operation not supported", "invalid argument"}
    assert tree(folder) == before


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
    choices = _choices({"3.jpg": ("1", "yes"), "link.jpg": ("1", "no")})

    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone")

    assert ran.status == 0, ran.out
    assert outside.is_file() and not (folder / "link.jpg").is_symlink()
    assert os.readlink("gone/link.jpg") == "../outside.jpg"
    assert vecsim("undo", "groups.journal").status == 0
    assert tree(folder) == before


# -- what is left as it is -----------------------------------------------------------------------


def _one_left(vecsim, folder: Path, choices: Path) -> str:
    """Move by a list of one file; return why that was left as it was."""
    before = tree(folder)
    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone")
    assert (ran.status, tree(folder)) == (3, before)
    (row,) = ran.rows
    assert row["status"] == "skipped"
    return row["why"]


@pytest.fixture
def one(folder: Path) -> Path:
    """A list that gives up one exact copy."""
    return _choices({"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no")})


def test_a_file_that_is_gone(vecsim, folder: Path, one: Path) -> None:
    (folder / "old/3.jpg").unlink()
    assert _one_left(vecsim, folder, one) == "it is not there any more"


def test_a_file_that_has_changed(vecsim, folder: Path, one: Path) -> None:
    (folder / "old/3.jpg").write_bytes((folder / "4.jpg").read_bytes())
    assert _one_left(vecsim, folder, one) == "its bytes have changed since it was indexed"


def test_a_kept_file_that_is_gone(vecsim, folder: Path, one: Path) -> None:
    (folder / "3.jpg").unlink()
    kept = (folder / "3.jpg").absolute()
    assert _one_left(vecsim, folder, one) == f"the kept file {kept}: it is not there any more"


def test_a_kept_file_that_has_changed(vecsim, folder: Path, one: Path) -> None:
    with (folder / "3.jpg").open("ab") as file:
        file.write(b"more")
    kept = (folder / "3.jpg").absolute()
    why = f"the kept file {kept}: its bytes have changed since it was indexed"
    assert _one_left(vecsim, folder, one) == why


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_kept_link_to_the_file_that_is_given_up(vecsim, folder, one, link) -> None:
    (folder / "3.jpg").unlink()
    link((folder / "old/3.jpg").absolute(), folder / "3.jpg")
    assert _one_left(vecsim, folder, one) == "it is the same file as the kept one"


def test_a_file_that_another_group_keeps_under_another_name(vecsim, folder: Path) -> None:
    (folder / "alias.jpg").symlink_to("old/3.jpg")
    vecsim("add", "idx", folder)
    choices = _choices({"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "alias.jpg": ("2", "yes")})
    why = "it is the same file as one that another group keeps"
    assert _one_left(vecsim, folder, choices) == why


def test_a_file_that_is_not_in_the_index(vecsim, folder: Path) -> None:
    shutil.copy(folder / "3.jpg", folder / "new.jpg")
    choices = _choices({"3.jpg": ("1", "yes"), "new.jpg": ("1", "no")})
    assert _one_left(vecsim, folder, choices) == "it is not in the index"


def test_urls_are_listed_and_never_acted_on(vecsim, folder: Path, server) -> None:
    url = server.url("/3.jpg")
    Path("web.csv").write_text(f"url\n{url}\n")
    assert vecsim("add", "idx", "web.csv").status == 0
    choices = _choices({"3.jpg": ("1", "yes"), url: ("1", "no")})

    ran = vecsim("apply", choices, "--index", "idx", "--trash", "--url-list", "urls.csv")

    assert (ran.status, [row["status"] for row in ran.rows]) == (0, ["url"])
    assert "1 image is not a local file: see urls.csv.\n" in ran.err
    (row,) = csv.DictReader(Path("urls.csv").read_text().splitlines())
    assert (row["id"], row["keep"], Path(row["kept_id"]).name) == (url, "no", "3.jpg")


# -- lists that are refused whole ----------------------------------------------------------------


def _refused(vecsim, folder: Path, choices: Path, *options: object) -> str:
    before = tree(folder)
    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone", *options)
    assert ran.status in (1, 2) and tree(folder) == before
    assert not Path("groups.journal").exists()
    return str(ran.err)


def test_an_image_that_is_kept_and_given_up(vecsim, folder: Path) -> None:
    choices = _choices({"3.jpg": ("1", "yes"), "2.jpg": ("1", "no"), "1.jpg": ("2", "yes")})
    with choices.open("a") as file:
        place = (folder / "3.jpg").absolute()
        file.write(f"2,{place},{place},no\n")
    told = _refused(vecsim, folder, choices)
    assert (
        "groups.csv line 5: " in told and "is given up here and kept on groups.csv line 2" in told
    )


def test_a_group_that_keeps_nothing(vecsim, folder: Path) -> None:
    choices = _choices({"3.jpg": ("1", "no"), "old/3.jpg": ("1", "no")})
    assert "groups.csv line 2: group 1 keeps no image." in _refused(vecsim, folder, choices)


def test_an_image_below_the_threshold(vecsim, folder: Path) -> None:
    choices = _choices({"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "4.jpg": ("1", "no")})
    told = _refused(vecsim, folder, choices)
    assert "below the threshold of 0.6875 with every image that their group keeps: " in told
    assert "4.jpg (" in told and "old/3.jpg" not in told
    assert "If the list was made with a lower --threshold, give the same one" in told


def test_an_image_below_the_threshold_that_was_judged_the_same(vecsim, folder: Path) -> None:
    choices = _choices({"3.jpg": ("1", "yes"), "4.jpg": ("1", "no")})
    index = choices.parent / "idx"
    ids = [str((folder / name).absolute()) for name in ("3.jpg", "4.jpg")]
    assert vecsim("decisions", index, "--same", *ids).status == 0

    ran = vecsim("apply", choices, "--index", index, "--move-to", "bin")

    assert ran.status == 0, ran.err
    assert (folder / "3.jpg").exists()
    assert not (folder / "4.jpg").exists()


def test_an_image_that_was_judged_different_stays(vecsim, folder: Path) -> None:
    choices = _choices({"3.jpg": ("1", "yes"), "1.jpg": ("1", "no")})
    index = choices.parent / "idx"
    ids = [str((folder / name).absolute()) for name in ("3.jpg", "1.jpg")]
    assert vecsim("decisions", index, "--different", *ids).status == 0

    ran = vecsim("apply", choices, "--index", index, "--move-to", "bin")

    assert "judged different from what its group keeps" in ran.out + ran.err
    assert (folder / "1.jpg").exists()


def test_a_list_of_another_index(vecsim, folder: Path, index: Path) -> None:
    choices = _choices({"3.jpg": ("1", "yes"), "2.jpg": ("1", "no")})
    ran = vecsim("apply", choices, "--index", index)
    assert ran.status == 1
    assert "six: has none of the 2 images of this list." in ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,url\n1,a.jpg\n", "bad.csv: needs the columns id, group and keep"),
        (
            "id,url,group,keep\n1,a.jpg,1,maybe\n",
            "bad.csv line 2: keep is 'maybe'; write yes or no",
        ),
        ("query_id,reference_id,score,mark\n1,2,1.0,same\n", "which of the two to give up"),
    ],
)
def test_a_list_of_another_kind(vecsim, folder: Path, text: str, told: str) -> None:
    Path("bad.csv").write_text(text)
    ran = vecsim("apply", "bad.csv", "--index", "idx")
    assert ran.status == 1 and told in ran.err


def test_a_folder_in_which_files_would_be_found_again(vecsim, folder: Path, one: Path) -> None:
    ran = vecsim("apply", one, "--index", "idx", "--move-to", folder / "duplicates")
    assert ran.status == 2 and "files there would be found again" in ran.err
    hidden = folder / ".duplicates"
    assert vecsim("apply", one, "--index", "idx", "--move-to", hidden).status == 0
    assert set(tree(hidden)) == {"old/3.jpg"}


def test_two_methods_at_once(vecsim, one: Path) -> None:
    ran = vecsim("apply", one, "--index", "idx", "--trash", "--move-to", "gone")
    assert ran.status == 2 and "choose one of --trash and --move-to." in ran.err
    ran = vecsim("apply", one, "--index", "idx", "--trash", "--delete", "--yes")
    assert ran.status == 2 and "choose one of --trash and --delete." in ran.err


# -- undo ----------------------------------------------------------------------------------------


def test_undo_overwrites_nothing(vecsim, copies: Path, folder: Path) -> None:
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    (folder / "old/3.jpg").write_text("newer")

    ran = vecsim("undo", "groups.journal")

    assert ran.status == 3
    assert (folder / "old/3.jpg").read_text() == "newer"
    assert "old/3.jpg: another file is at its place now\n" in ran.err
    assert "1 file brought back.\n1 file could not be brought back.\n" in ran.err
    assert Path("gone/old/3.jpg").is_file()
    (folder / "old/3.jpg").unlink()
    assert vecsim("undo", "groups.journal").status == 0
    assert "old/3.jpg" in _ids(vecsim)


def test_an_undone_list_can_be_applied_again(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)
    for _ in range(2):
        assert vecsim("apply", copies, "--index", "idx", "--hardlink").status == 0
        assert vecsim("undo", "groups.journal").status == 0
        assert tree(folder) == before
    assert vecsim("undo", "groups.journal").err == "0 files brought back.\n"


def test_undo_without_the_index_brings_the_files_back(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    shutil.rmtree("idx")

    ran = vecsim("undo", "groups.journal")

    assert (ran.status, tree(folder)) == (3, before)
    assert f"No image returned to the index: {Path('idx').absolute()} is not there" in ran.err


def test_other_files_are_no_journals(vecsim, copies: Path) -> None:
    assert "no such journal" in vecsim("undo", "none.journal").err
    assert "not a journal" in vecsim("undo", copies).err


def test_a_returned_image_matches_as_before(vecsim, copies: Path, folder: Path) -> None:
    before = sorted(vecsim("match", "idx").pairs)
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    vecsim("compact", "idx")
    vecsim("undo", "groups.journal")
    after = vecsim("match", "idx").pairs
    assert sorted((*sorted(p[:2]), p[2]) for p in after) == sorted(
        (*sorted(p[:2]), p[2]) for p in before
    )


def test_a_sync_follows_a_returned_image(vecsim, copies: Path, folder: Path) -> None:
    assert vecsim("sync", "idx", folder).status == 0
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    vecsim("undo", "groups.journal")
    (folder / "old/3.jpg").unlink()

    assert vecsim("sync", "idx", folder).status == 0

    assert "old/3.jpg" not in _ids(vecsim) and "old/four.jpg" in _ids(vecsim)


# -- crashes -------------------------------------------------------------------------------------


def test_a_journal_that_was_cut_off_in_a_line(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    journal = Path("groups.journal")
    lines = journal.read_bytes().splitlines(keepends=True)
    done = max(n for n, line in enumerate(lines) if json.loads(line).get("event") == "done")
    journal.write_bytes(b"".join(lines[:done]) + lines[done][:9])

    assert vecsim("undo", journal).status == 0
    assert tree(folder) == before


_KILLER = """
import os, signal, sys
left, base = int(sys.argv.pop(1)), os.getcwd()
def hook(event, args):
    global left
    path = os.fsdecode(args[0]) if args and isinstance(args[0], (str, bytes)) else ""
    if event == "ctypes.dlsym" and args[1] == "renameat2" or path.startswith(base):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
from vecsim.cli import main
import vecsim.operations.applying
sys.addaudithook(hook)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("method", ["--move-to=gone", "--hardlink"])
def test_kill_9(vecsim, copies: Path, folder: Path, method: str) -> None:
    """`tests/applying` ends the work at each change; here a few real kills."""
    before, ids = tree(folder), _ids(vecsim)
    killed = 0
    for changes in range(2, 24, 5):
        words = ["apply", copies, "--index", "idx", method]
        ran = subprocess.run([sys.executable, "-c", _KILLER, str(changes), *map(str, words)])
        killed += ran.returncode == -signal.SIGKILL
        assert hashes(folder, Path("gone")) >= {
            hashlib.sha256(about[1]).hexdigest() for about in before.values()
        }
        assert vecsim(*words).status == 0
        assert (folder / "old/3.jpg").exists() == (method == "--hardlink")
        assert vecsim("undo", "groups.journal").status == 0
        assert (tree(folder), _ids(vecsim)) == (before, ids), changes
    assert killed > 1
