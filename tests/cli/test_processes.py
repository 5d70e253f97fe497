"""Commands as processes: streams, pipes, terminals, missing libraries."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from support.servers import Exchange, HostileServer, good


@pytest.mark.ci
def test_results_go_to_standard_output_and_messages_to_standard_error(process, first: Path) -> None:
    ran = process("match", first)

    assert ran.status == 0
    assert [pair[:2] for pair in ran.pairs] == [("1", "3"), ("1", "2"), ("2", "3")]
    assert ran.err == "first.csv: 3 added.\n3 pairs among 3 x 3 images\n".replace(
        "first.csv", str(first)
    )


@pytest.mark.ci
def test_quiet_leaves_results_and_errors(process, first: Path) -> None:
    fine = process("--quiet", "match", first)
    wrong = process("--quiet", "match", "none.csv")

    assert (fine.status, fine.err, len(fine.pairs)) == (0, "", 3)
    assert (wrong.status, wrong.err) == (1, "Error: no such file or folder: none.csv\n")


def test_a_closed_pipe_is_no_error(index: Path) -> None:
    for command in ("match six -t -1 -f jsonl", "info six"):
        script = f"{sys.executable} -m vecsim {command} | true; exit ${{PIPESTATUS[0]}}"
        ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        assert (ran.returncode, "Error" in ran.stderr) == (0, False), command


def test_an_unknown_command_is_one_error(process) -> None:
    assert process("mtach").err.count("Error: no such command: mtach. Did you mean match?") == 1


def test_debug_shows_a_traceback(process) -> None:
    assert "Traceback" in process("--debug", "info", "none").err
    assert "Traceback" not in process("info", "none").err


@pytest.fixture
def without(workplace: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a module impossible to import in processes that are started later."""

    def block(name: str) -> None:
        hook = (
            "import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] == {name!r}:\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Absent())\n"
        )
        folder = workplace / "hooks"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(hook)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return block


def test_parquet_without_pyarrow_names_the_extra(process, index: Path, without) -> None:
    without("pyarrow")

    ran = process("match", index, "--output", "pairs.parquet")

    assert ran.status == 1
    assert "pip install" in ran.err and "vecsim[parquet]" in ran.err
    assert not Path("pairs.parquet").exists()


def test_to_arrow_without_pyarrow_names_the_extra(index: Path, without) -> None:
    without("pyarrow")
    code = (
        "from vecsim import match\n"
        "from vecsim.errors import MissingExtraError\n"
        "try:\n    match('six').to_arrow()\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "vecsim[parquet]" in ran.stdout


def _on_terminal(columns: int, *words: object) -> tuple[int, str]:
    """Run a command whose standard output and error are a terminal; returns status and text."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "vecsim", *map(str, words)]
    running = subprocess.Popen(command, stdout=side, stderr=side, env=environment)
    os.close(side)
    text = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # Linux: EIO once the other end is closed
            break
        text += part
    os.close(main)
    return running.wait(timeout=60), text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_a_table_that_fits(columns: int, index: Path) -> None:
    status, text = _on_terminal(columns, "match", index)

    assert status == 0
    assert text.startswith("query_url, reference_url in ")
    table, _, after = text.partition("\n4 pairs among ")
    assert max(map(len, table.splitlines())) <= columns
    assert "0.937500" in table and "Next: " in after


def test_progress_on_a_terminal_is_removed_at_the_end(first: Path) -> None:
    status, text = _on_terminal(80, "build-index", "new", first)

    assert status == 0
    assert "starting …" in text
    *_, result, following = text.splitlines()
    assert result.endswith("new: 3 added.") and following.startswith("Next: ")


@pytest.mark.ci
def test_progress_shows_the_time_left(pictures: Path) -> None:
    picture = good((pictures / "2.jpg").read_bytes())

    def slowly(exchange: Exchange) -> None:
        exchange.ended.wait(0.2)
        picture(exchange)

    with HostileServer({f"/{number}.jpg": slowly for number in range(80)}) as server:
        rows = [f"{server.url(f'/{number}.jpg')}\n" for number in range(80)]
        Path("shop.csv").write_text("url\n" + "".join(rows))
        status, text = _on_terminal(80, "build-index", "new", "shop.csv")

    assert status == 0
    assert re.search(r"\d of 80 · \d+(\.\d)? img/s · \d+ s left", text)


def test_parquet_is_refused_on_a_terminal(index: Path) -> None:
    status, text = _on_terminal(80, "match", index, "--format", "parquet")

    assert status == 2
    assert "the format parquet cannot be shown on a terminal. Name a file with --output" in text
