"""Files of an index on disk: cut while they are open, their permissions, when they are synced."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.commands import run
from support.on_disk import segment_files
from support.shop import picture
from vecsim import Index
from vecsim.errors import IndexDamagedError, InputError


def test_a_segment_cut_under_an_open_index_is_an_error(path: Path) -> None:
    with Index.open(path) as index:
        assert len(index.query_ids("1", top_k=3).to_numpy()) == 3
        os.truncate(segment_files(path)[0], 100)

        for image_id in ("1", "29"):
            with pytest.raises(IndexDamagedError, match="was cut while it was open"):
                index.query_ids(image_id, top_k=3).to_numpy()


@pytest.mark.parametrize("command", ["build-index", "compact"])
@pytest.mark.ci
def test_umask_holds_for_all_files(command: str, path: Path, tmp_path: Path) -> None:
    made = tmp_path / "new" / "i"
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(picture(1))
    before = os.umask(0o027)
    try:
        if command == "build-index":
            run("build-index", made, tmp_path / "pictures")
        else:
            shutil.copytree(path, made, copy_function=shutil.copyfile)
            made.chmod(0o750)
            (made / "segments").chmod(0o750)
            run("compact", made)
    finally:
        os.umask(before)
    modes = {each: oct(each.stat().st_mode & 0o777) for each in (made, *made.rglob("*"))}
    assert modes == {each: "0o750" if each.is_dir() else "0o640" for each in modes}


def test_export_is_synced_before_it_takes_its_name(path: Path, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    log = tmp_path / "trace"
    arguments = ["export", path, "--features", tmp_path / "v.npy", "--fields", tmp_path / "f.tsv"]
    calls = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"
    traced = ["strace", "-f", "-y", "-qq", "-e", f"trace={calls}", "-e", "write=none"]
    subprocess.run(
        [*traced, "-o", log, sys.executable, "-m", "vecsim", *map(str, arguments)],
        check=True,
        capture_output=True,
    )
    lines = log.read_text(errors="replace").splitlines()

    def places(call: str, part: str) -> list[int]:
        found = (re.search(r"\b(\w+)\((.*)", line) for line in lines)
        return [n for n, each in enumerate(found) if each and call in each[1] and part in each[2]]

    folder, renames = places("sync", f"<{tmp_path}>"), []
    for name in ("v.npy", "f.tsv"):
        renames += places("rename", f".{name}.")
        synced = places("sync", f".{name}.")
        # Vectors are written by a memory map, which is no call.
        written = places("write", f".{name}.") or [0]
        assert written[-1] < synced[-1] < renames[-1], lines
    assert len(renames) == 2
    for renamed in renames:  # what follows is a sync of the folder
        assert min(n for n in [*renames, *folder] if n > renamed) in folder, lines


def test_an_id_holds_no_nul(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ids\[1\]: the id 'b\\x00c' holds a NUL character"):
        Index.from_vectors(tmp_path / "new", np.eye(3), ["a", "b\0c", "d"])

    assert not (tmp_path / "new").exists()
