"""Files that are complete or not there at all, and standard output that its reader closes."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vecsim.errors import StorageError
from vecsim.render import FORMATS, open_writer, write_rows
from vecsim.results import Match

MATCH = Match("1", "u", "2", "v", 0.5)

# Writes far more matches than the buffer of a pipe holds.
MANY = """
from vecsim.results import Match
from vecsim.render import open_writer
match = Match("1", "https://a/1.jpg", "2", "https://b/2.jpg", 0.5)
with open_writer({format!r}) as writer:
    writer.write_many(match for _ in range(200_000))
"""


def run(command: str, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run `command` in a shell, where $PYTHON runs the script with all warnings as errors."""
    environment = {**os.environ, "SCRIPT": script, "PYTHONIOENCODING": "ascii"}
    shell = command.replace("$PYTHON", f'{sys.executable} -X dev -W error -c "$SCRIPT"')
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        capture_output=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_is_complete_or_untouched(tmp_path: Path, format_: str) -> None:
    output = tmp_path / "out"
    output.write_text("before")
    with pytest.raises(ZeroDivisionError), open_writer(format_, output) as writer:
        writer.write(MATCH)
        raise ZeroDivisionError
    assert output.read_text() == "before"
    assert os.listdir(tmp_path) == ["out"]
    with open_writer(format_, output) as writer:
        writer.write(MATCH)
        assert output.read_text() == "before"
    assert output.stat().st_size > 20
    assert os.listdir(tmp_path) == ["out"]


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.csv"
    real.touch(mode=0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(real)
    write_rows(["a"], [("1",)], output=link)
    assert link.is_symlink()
    assert real.read_text() == "a\n1\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_has_the_default_mode(tmp_path: Path) -> None:
    write_rows(["a"], [], output=tmp_path / "new.csv")
    (tmp_path / "usual").touch()
    assert (tmp_path / "new.csv").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("name", ["gone/out.csv", "folder"])
def test_an_unwritable_path_is_a_storage_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_rows(["a"], [], output=tmp_path / name)


def test_a_device_is_not_replaced() -> None:
    write_rows(["a"], [("1",)], "csv", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_disk_is_a_storage_error(format_: str) -> None:
    with pytest.raises(StorageError, match="No space left"):
        write_rows(["a"], (("x" * 100,) for _ in range(1000)), format_, Path("/dev/full"))


@pytest.mark.parametrize("command", ["$PYTHON | head -c 10", "PYTHONUNBUFFERED=1 $PYTHON | true"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.ci
def test_a_closed_pipe_ends_the_program_without_an_error(format_: str, command: str) -> None:
    done = run(command, MANY.format(format=format_))
    assert len(done.stdout) == (10 if "head" in command else 0)
    assert done.stderr == b""
    assert done.returncode == 0


def test_standard_output_may_be_replaced_by_a_text_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stand_in)
    rows = [("鞋" * 1000,)] * 100  # more than one buffer
    write_rows(["a"], rows, "csv")
    assert stand_in.getvalue() == "a\n" + "".join(f"{row[0]}\n" for row in rows)


def test_a_full_disk_behind_standard_output_is_a_storage_error() -> None:
    done = run("$PYTHON > /dev/full", MANY.format(format="csv"))
    assert done.returncode == 1
    assert b"StorageError: cannot write standard output" in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_broken_pipe_raised_by_the_writing_block_is_not_hidden() -> None:
    with pytest.raises(BrokenPipeError), open_writer("csv"):
        raise BrokenPipeError


def test_standard_output_is_utf_8_in_every_locale() -> None:
    done = run("$PYTHON", "from vecsim.render import *; write_rows(['a'], [('鞋',)], 'table')")
    assert done.stdout.decode() == "a\n──\n鞋\n"


def test_text_printed_earlier_comes_first() -> None:
    script = "from vecsim.render import *; print('first'); write_rows(['a'], [], 'csv')"
    assert run("$PYTHON", script).stdout == b"first\na\n"


@pytest.mark.ci
def test_memory_does_not_grow_with_the_number_of_matches(tmp_path: Path) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        with open_writer("csv", tmp_path / "out.csv") as writer:
            writer.write_many(MATCH for _ in range(100_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_importing_render_imports_no_large_library() -> None:
    script = (
        "import sys, vecsim.render;"
        "heavy = {'rich', 'pyarrow', 'numpy', 'pandas', 'faiss', 'tensorflow'} & set(sys.modules);"
        "print(*heavy)"
    )
    assert run("$PYTHON", script).stdout.strip() == b""
