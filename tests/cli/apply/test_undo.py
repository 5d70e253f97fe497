"""`vecsim undo`: files brought back, also after a kill and with a journal that was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.apply_lists import ids_in
from support.trees import hashes, tree, whole_tree
from vecsim.cli import main


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
    assert "old/3.jpg" in ids_in("idx")


def test_an_undone_list_can_be_applied_again(vecsim, copies: Path, folder: Path) -> None:
    before = tree(folder)
    for _ in range(2):
        assert vecsim("apply", copies, "--index", "idx", "--hardlink").status == 0
        assert vecsim("undo", "groups.journal").status == 0
        assert tree(folder) == before
    assert vecsim("undo", "groups.journal").err == "0 files brought back.\n"


@pytest.mark.parametrize("method", ["--move-to=gone", "--hardlink", "--symlink", "--trash"])
def test_folders_get_their_times_back(vecsim, copies, folder, monkeypatch, method: str) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(Path("share").absolute()))
    for path in (folder, folder / "old"):
        os.utime(path, ns=(1_500_000_000_000_000_001, 1_400_000_000_000_000_001))
    before = whole_tree(folder)
    assert vecsim("apply", copies, "--index", "idx", method).status == 0
    assert whole_tree(folder)["old/"] != before["old/"]

    assert vecsim("undo", "groups.journal").status == 0

    assert whole_tree(folder) == before


@pytest.mark.parametrize("method", ["--hardlink", "--symlink", "--move-to=gone"])
def test_files_get_their_own_attributes_back(vecsim, one, folder: Path, method: str) -> None:
    try:
        for name, tag in (("3.jpg", b"sea"), ("old/3.jpg", b"holiday")):
            os.setxattr(folder / name, "user.tag", tag)
    except OSError:
        pytest.skip("this file system has no extended attributes")
    vecsim("apply", one, "--index", "idx", method)

    assert vecsim("undo", "groups.journal").status == 0

    tags = [os.getxattr(folder / name, "user.tag") for name in ("3.jpg", "old/3.jpg")]
    assert tags == [b"sea", b"holiday"]


def test_a_folder_that_has_changed_keeps_its_new_time(vecsim, copies, folder: Path) -> None:
    vecsim("apply", copies, "--index", "idx", "--move-to", "gone")
    (folder / "old/new.txt").write_text("new")

    assert vecsim("undo", "groups.journal").status == 0

    assert time.time() - (folder / "old").stat().st_mtime < 600


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

    assert "old/3.jpg" not in ids_in("idx") and "old/four.jpg" in ids_in("idx")


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
@pytest.mark.ci
def test_kill_9(vecsim, copies: Path, folder: Path, method: str) -> None:
    """`tests/applying` ends the work at each change; here a few real kills."""
    before, ids = tree(folder), ids_in("idx")
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
        assert (tree(folder), ids_in("idx")) == (before, ids), changes
    assert killed > 1


def test_apply_and_undo_show_their_progress(copies, folder, monkeypatch, capsysbinary) -> None:
    monkeypatch.setattr("vecsim.render.progress._LOG_INTERVAL", 0.0)
    for command in (
        ["apply", str(copies), "--index", "idx", "--hardlink"],
        ["undo", "groups.journal"],
    ):
        capsysbinary.readouterr()
        with pytest.raises(SystemExit):
            main(command)
        told = capsysbinary.readouterr().err.decode()
        assert "1 of 2 · " in told and "2 of 2 · " in told
