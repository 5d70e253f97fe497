"""Files of an index on disk: cut while they are open, their permissions, when they are synced."""

from __future__ import annotations

import os
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
    before = os.umask(0o077)
    try:
        if command == "build-index":
            run("build-index", made, tmp_path / "pictures")
        else:
            shutil.copytree(path, made, copy_function=shutil.copyfile)
            made.chmod(0o700)
            (made / "segments").chmod(0o700)
            run("compact", made)
    finally:
        os.umask(before)
    assert [each for each in (made, *made.rglob("*")) if each.stat().st_mode & 0o077] == []


def test_export_is_synced_before_it_takes_its_name(path: Path, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    log = tmp_path / "trace"
    arguments = ["export", path, "--features", tmp_path / "v.npy", "--fields", tmp_path / "f.tsv"]
    traced = ["strace", "-f", "-y", "-qq", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]
    subprocess.run(
        [*traced, "-o", log, sys.executable, "-m", "vecsim", *map(str, arguments)],
        check=True,
        capture_output=True,
    )
    lines = log.read_text().splitlines()
    for name in ("v.npy", "f.tsv"):
        synced = [n for n, line in enumerate(lines) if "sync(" in line and f".{name}." in line]
        renamed = [n for n, line in enumerate(lines) if "rename" in line and f".{name}." in line]
        folder = [n for n, line in enumerate(lines) if "sync(" in line and f"<{tmp_path}>" in line]
        assert synced and renamed and synced[0] < renamed[0] < folder[-1], lines


def test_an_id_holds_no_nul(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ids\[1\]: the id 'b\\x00c' holds a NUL character"):
        Index.from_vectors(tmp_path / "new", np.eye(3), ["a", "b\0c", "d"])

    assert not (tmp_path / "new").exists()
