"""What stands in for Linux-only calls is run: without them, vecsim does the same.

`tests/support/other_system` takes away what Windows has not from each Python process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OTHER_SYSTEM = ROOT / "tests" / "support" / "other_system"

LIBRARY = """
import builtins, sys
assert builtins.__pretends_other_system__
from vecsim import Index, match, system
assert not system.HAS_FOLDER_HANDLES and system.HANG_UP is None
with Index.create("idx", "phash") as index:
    assert index.add("pics/1.jpg").added == 1
    assert index.add("pics").added == 5
    index.remove("pics/4.jpg", missing_ok=True)
    index.compact()
    assert index.verify() == []
    for pair in match(index, threshold=0.7):
        print(pair.query_id, pair.reference_id, pair.score)
"""


def _environment(home: Path, *, other: bool) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("VECSIM_")}
    folders = [str(OTHER_SYSTEM)] if other else []
    return kept | {
        "PYTHONPATH": os.pathsep.join([*folders, str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "VECSIM_MODEL": "phash",
        "HOME": str(home),
        "XDG_DATA_HOME": "",
    }


def _run(folder: Path, *arguments: str, other: bool = True) -> str:
    """Run Python in `folder`; returns its standard output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=_environment(folder, other=other),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the demo's six pictures in `pics`."""
    shutil.copytree(ROOT / "demo" / "images", tmp_path / "pics")
    return tmp_path


@pytest.mark.ci
def test_an_index_is_built_matched_and_verified(folder: Path) -> None:
    found = _run(folder, "-c", LIBRARY)
    assert len(found.splitlines()) == 4
    (folder / "idx").rename(folder / "theirs")
    ours = "from vecsim import match\nfor p in match('theirs', threshold=0.7): "
    ours += "print(p.query_id, p.reference_id, p.score)"
    assert _run(folder, "-c", ours, other=False) == found


@pytest.mark.slow
def test_links_in_the_place_of_files_are_refused(folder: Path) -> None:
    _run(folder, "-c", "from vecsim import Index; Index.create('idx', 'phash').add('pics')")
    program = """
import os
from pathlib import Path
from vecsim import Index
from vecsim.errors import MisplacedFileError
Path("idx/segments").replace("moved")
os.symlink(os.path.abspath("moved"), "idx/segments")
try:
    Index.open("idx")
except MisplacedFileError as error:
    print(error.message)
os.unlink("idx/segments")
Path("moved").replace("idx/segments")
name = next(Path("idx/segments").iterdir())
name.replace("segment")
os.symlink(os.path.abspath("segment"), name)
try:
    Index.open("idx")
except MisplacedFileError as error:
    print(error.message)
"""
    said = _run(folder, "-c", program).splitlines()
    assert len(said) == 2
    assert all("a link to" in line for line in said)


@pytest.mark.slow
def test_one_process_at_a_time_creates_and_writes(folder: Path) -> None:
    program = """
import sys
from pathlib import Path
from vecsim.errors import IndexExistsError, IndexLockedError
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.records import Fingerprint
create_index(Path("idx"), Fingerprint("clip", "", "", 3))
try: create_index(Path("idx"), Fingerprint("clip", "", "", 3))
except IndexExistsError: print("exists")
with Writer(Path("idx")):
    try: Writer(Path("idx"))
    except IndexLockedError as error: print(error.message)
Writer(Path("idx")).close()
"""
    exists, locked = _run(folder, "-c", program).splitlines()
    assert exists == "exists"
    assert locked.startswith("idx: process ")


def test_what_a_system_lacks_has_a_stand_in(folder: Path) -> None:
    program = """
import os
from pathlib import Path
from vecsim import system
from vecsim.files import new_file, private_temporary_folder
reading, writing = os.pipe()
assert system.wait_readable(reading, 0.01)
assert system.most_open_files() is None and system.user_number() is None
system.limit_process(1 << 20, 1 << 20); system.open_nothing_more(); system.end_with_parent()
system.enlarge_pipe(os.fdopen(writing, "wb"), 1 << 20)
with new_file(Path("x")) as file: file.write(b"abc")
with open("x", "rb") as file: assert system.read_at(file.fileno(), 2, 1) == b"bc"
system.sync(Path("x")); system.sync(Path("."))
system.set_times(Path("x"), 10**18, 10**18); system.change_owner(Path("x"), 0, 0)
assert Path("x").stat().st_mtime_ns == 10**18
assert system.read_attributes(Path("x")) == {}
system.write_attribute(Path("x"), "user.a", b"1")
assert private_temporary_folder().is_dir()
for work in (lambda: system.rename_with_flags(Path("x"), Path("y"), 1),
             lambda: system.share_blocks(open("x", "rb"), open("z", "wb"))):
    try: work()
    except OSError as error: print(error.errno)
"""
    assert len(_run(folder, "-c", program).splitlines()) == 2


def test_only_one_module_uses_what_some_systems_lack() -> None:
    lacking = re.compile(
        r"\b(import (fcntl|resource|pwd|grp|ctypes)\b|"
        r"os\.(O_(?!RDONLY|WRONLY|RDWR|CREAT|EXCL|APPEND)\w+|get(e?[ug]id|xattr)|l?chown|fchmod|fork|pread|fwalk|mkfifo|listxattr|setxattr)|"
        r"signal\.SIG(?!INT|TERM|_|nals)\w+|dir_fd=|select\.select|sys\.platform|os\.name\b)"
    )
    modules = (ROOT / "vecsim").rglob("*.py")
    used = {file.relative_to(ROOT / "vecsim").as_posix() for file in modules}
    used = {name for name in used if lacking.search((ROOT / "vecsim" / name).read_text("utf-8"))}
    # Folders by their handles have a twin without, and so has the template of decoder processes;
    # `paths` is told which system it is for.
    assert used == {"system.py", "contained/folders.py", "decode/template.py", "paths.py"}


COMMANDS = [
    "build-index idx pics/1.jpg",
    "add idx pics",
    "sync idx pics",
    "info idx",
    "failures idx",
    "match idx --threshold 0.8 -o pairs.csv",
    "match idx --threshold 0.8 --report report.html",
    "match idx idx --matrix matrix.npy",
    "match pics pics --threshold 0.8 -o both.csv",
    "query idx --url pics/1.jpg -k 2",
    "cluster idx --threshold 0.8 -o groups.csv",
    "apply groups.csv --index idx --move-to gone --threshold 0.8",
    "undo groups.journal",
    "apply groups.csv --index idx --move-to gone --threshold 0.8",
    "verify idx",
    "compact idx",
    "refresh idx",
    "retry idx",
    "thumbnails idx",
    "repair idx",
    "verify idx",
    "export idx --to x.faiss",
    "import back --from x.faiss",
    "export idx --features x.npy --fields x.tsv",
    "import backs --features x.npy --fields x.tsv --delimiter tab --no-header --id-column 1",
    "cache",
    "doctor",
]


@pytest.mark.slow
def test_the_commands_run(folder: Path) -> None:
    for command in COMMANDS:
        try:
            _run(folder, "-m", "vecsim", "--debug", *command.split())
        except AssertionError as error:
            raise AssertionError(command) from error
    assert sorted(path.name for path in (folder / "gone").iterdir()) == ["1.jpg", "2.jpg", "6.jpg"]
    other = (folder / "both.csv").read_text()
    _run(folder, "-m", "vecsim", *COMMANDS[8].replace("both", "ours").split(), other=False)
    assert len(other.splitlines()) > 1


@pytest.mark.slow
def test_the_trash_is_refused_where_there_is_none(folder: Path) -> None:
    for command in COMMANDS[:2] + COMMANDS[10:11]:
        _run(folder, "-m", "vecsim", *command.split())
    trash = ["apply", "groups.csv", "--index", "idx", "--trash", "--threshold", "0.8"]
    with pytest.raises(AssertionError, match="can put nothing into the trash"):
        _run(folder, "-m", "vecsim", *trash)
    assert len([*(folder / "pics").iterdir()]) == 6
