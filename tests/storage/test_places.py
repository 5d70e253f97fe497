"""File systems of an index, permissions of readers, and clocks that go back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.on_disk import rows
from vecsim import Index, match
from vecsim.index.writer import Writer
from vecsim.machine import file_system_of, is_network_file_system

MOUNTS = rb"""overlay / overlay rw,relatime 0 0
proc /proc proc rw 0 0
/dev/sda1 /home ext4 rw 0 0
nas:/export /home/anna nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/anna/scratch xfs rw 0 0
//server/share /mnt/my\040share cifs rw 0 0
anna@host: /mnt/far fuse.sshfs rw 0 0
gvfs /run/user/1000/gvfs fuse.gvfsd-fuse rw 0 0
tmpfs /mnt/cover tmpfs rw 0 0
nas:/other /mnt/cover nfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "name", "network"),
    [
        ("/home/anna/indexes", "nfs4", True),
        ("/home/anna", "nfs4", True),
        ("/home/annabel/indexes", "ext4", False),
        ("/home/anna/scratch/indexes", "xfs", False),
        ("/mnt/my share/indexes", "cifs", True),
        ("/mnt/far/away", "fuse.sshfs", True),
        ("/run/user/1000/gvfs/x", "fuse.gvfsd-fuse", False),
        ("/mnt/cover", "nfs", True),
        ("/tmp", "overlay", False),
    ],
)
def test_file_system_of_a_folder(folder: str, name: str, network: bool) -> None:
    assert file_system_of(Path(folder), MOUNTS) == name
    assert is_network_file_system(name) is network


NETWORK = """
mount -t tmpfs tmpfs {place} && mkdir {place}/old && cp -r {index} {place}/shop &&
grep -v ' {place} ' /proc/self/mounts > {table} &&
echo 'nas:/export {place} nfs4 rw 0 0' >> {table} &&
mount --bind {table} /proc/$$/mounts && exec {python} -m vecsim {command}
"""


@pytest.mark.parametrize(
    "command", ["info {place}/shop", "remove {place}/shop 1", "build-index {place}/new {source}"]
)
@pytest.mark.ci
def test_catalog_on_a_network_folder_is_refused(command: str, tmp_path: Path) -> None:
    """Bind-mounts a table of mounts over the real one, in a mount namespace of one process."""
    with Index.from_vectors(tmp_path / "i", np.eye(3), range(3)):
        pass
    source = tmp_path / "list.csv"
    source.write_text("id,url\n1,1.png\n")
    place = tmp_path / "network"
    place.mkdir()
    places = {
        "place": place,
        "index": tmp_path / "i",
        "table": tmp_path / "mounts",
        "python": sys.executable,
        "source": source,
    }
    places["command"] = command.format(**places)
    script = NETWORK.format(**places).replace("\n", " ")
    environment = {**os.environ, "VECSIM_MODEL": "phash"}
    environment.pop("VECSIM_NETWORK_FOLDER", None)

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script],
            capture_output=True,
            text=True,
            env={**environment, **more},
        )

    done = run()
    if "unshare" in done.stderr or "mount" in done.stderr.split("Error:")[0]:
        pytest.skip(f"laying a table over /proc/self/mounts needs rights: {done.stderr.strip()}")
    assert done.returncode == 1
    assert "a network folder (nfs4)" in done.stderr
    assert "VECSIM_NETWORK_FOLDER=allow" in done.stderr
    assert not (place / "new").exists()
    assert run(VECSIM_NETWORK_FOLDER="allow").returncode in (0, 3)


READER = """
import os
import sys
from vecsim import Index
from vecsim.errors import VecsimError
with Index.open(sys.argv[1]) as index:  # all modules are imported while they may be read
    list(index)
os.setresuid(65534, 65534, 65534)
index = Index.open(sys.argv[1])
print(len(index), flush=True)
for line in sys.stdin:
    try:
        print(len(list(index)), flush=True)
    except VecsimError as error:
        print(error, flush=True)
"""


def test_reader_without_write_permission_notices_a_writer(tmp_path: Path) -> None:
    """Such a reader cannot lock the catalog, so it opens the catalog as immutable."""
    if os.geteuid():
        pytest.skip("being two users needs the rights of root")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder.parent == Path("/tmp"):
            break
    path = tmp_path / "i"
    Index.from_vectors(path, np.eye(8)[:5], range(5)).close()
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    with reader:
        assert reader.stdout.readline() == "5\n"
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "5\n"
        with Writer(path) as writer:
            writer.remove(["1"])
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert "changed while it was read" in reader.stdout.readline()
        reader.stdin.close()


def test_clock_set_back_hides_no_image_from_since(tmp_path: Path) -> None:
    """`added_at` never decreases, so --since finds every image added later."""
    path = tmp_path / "i"
    rows_ = np.random.default_rng(0).standard_normal((6, 8))
    with Index.from_vectors(path, rows_[:3], ["a", "b", "c"]) as index:
        index.close()
        # As if these had been added by a clock that was years ahead.
        future = "2100-01-01T00:00:00.000000+00:00"
        with Writer(path) as writer, writer.catalog.transaction():
            writer.catalog._sql.query("UPDATE images SET added_at = ?, checksum = NULL", [future])
        index.add_vectors(rows_[3:], ["d", "e", "f"])
        moments = rows(path, "SELECT id, added_at FROM images ORDER BY key")
        assert [moment for _, moment in moments] == [future] * 6
        found = match(index, threshold=-1.0, since="2099-01-01").to_numpy()
        assert len(found) == 15
        index.remove("d")
        index.compact()
        assert index.verify() == []
        assert len(index) == 5


def test_leftovers_of_a_killed_creation_are_deleted(tmp_path: Path) -> None:
    left = [tmp_path / ".i.0a1b2c3d.part", tmp_path / ".i.4e5f6a7b.part"]
    other = tmp_path / ".j.0a1b2c3d.part"
    for folder in (*left, other):
        (folder / "segments").mkdir(parents=True)
        (folder / "writer.lock").touch()
    Index.from_vectors(tmp_path / "i", np.eye(3), range(3)).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".j.0a1b2c3d.part", "i"]


@pytest.mark.ci
def test_processes_create_indexes_concurrently(tmp_path: Path) -> None:
    make = (
        "import sys, numpy as np; from vecsim import Index; "
        "[Index.from_vectors(f'{sys.argv[1]}{n}', np.eye(3), range(3)).close() for n in range(5)]"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", make, str(tmp_path / name)]) for name in "abc"
    ]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 15
