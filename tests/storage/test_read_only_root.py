"""Containers whose whole file system is read-only but for the folder of indexes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"

READ_ONLY = """
mount --make-rprivate / && mount --bind {out} {out} || exit 98
cut -d ' ' -f 2 /proc/self/mounts | while read place; do
  case "$place" in {out}|/proc*|/sys*) ;; *) mount -o remount,ro,bind "$place" ;; esac
done
touch {work}/x /tmp/x /dev/shm/x 2> /dev/null && exit 98
cd {work} && {commands}
"""
"""Each mount but `out` becomes read-only, in a mount namespace of one process."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run commands with `pics` and `list.csv` in a read-only working folder, `$OUT` beside it."""
    work, out = tmp_path / "work", tmp_path / "out"
    out.mkdir()
    shutil.copytree(PICTURES, work / "pics")
    (work / "list.csv").write_text("id,url\n1,pics/1.jpg\n3,pics/3.jpg\n")
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**kept, "OUT": str(out), "HOME": "/", "VECSIM_INDEXES": str(out)}

    def run_read_only(*commands: str, **more: str) -> subprocess.CompletedProcess[str]:
        vecsim = f"{shlex.quote(sys.executable)} -m vecsim"
        chain = " && ".join(commands).replace("vecsim", vecsim)
        script = READ_ONLY.format(out=out, work=work, commands=chain)
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=120,
            env={**environment, **more},
        )
        if done.returncode == 98 or "unshare" in done.stderr:
            pytest.skip(f"read-only mounts need rights: {done.stderr.strip()[:200]}")
        return done

    if shutil.which("unshare") is None:
        pytest.skip("no command unshare")
    return run_read_only


@pytest.mark.ci
def test_indexes_are_built_changed_and_searched(run: Run) -> None:
    done = run(
        "vecsim build-index $OUT/new pics",
        "vecsim remove $OUT/new $PWD/pics/1.jpg",
        "vecsim add $OUT/new pics/1.jpg",
        "vecsim match $OUT/new --output $OUT/pairs.csv",
        "vecsim match list.csv --format tsv",
        VECSIM_MODEL="bundled",
    )
    assert done.returncode == 0, done.stderr
    assert "6 added" in done.stderr
    assert done.stdout.splitlines()[1].split("\t")[0:3:2] == ["1", "3"]


@pytest.mark.parametrize(
    "command",
    ["vecsim demo", "vecsim embed pics -o $OUT/v.npy", "vecsim match - < list.csv"],
)
@pytest.mark.ci
def test_what_needs_a_folder_for_temporary_files_says_so(run: Run, command: str) -> None:
    without = run(command, VECSIM_MODEL="phash")
    assert without.returncode == 1, without.stderr
    assert without.stderr.startswith("Error: no folder for temporary files can be written")
    assert "Set TMPDIR to one." in without.stderr
    assert run(f"TMPDIR=$OUT {command}", VECSIM_MODEL="phash").returncode == 0
