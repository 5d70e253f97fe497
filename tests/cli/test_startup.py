"""Short commands start quickly and import no large library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from vecsim.cli import process

HEAVY = ("numpy", "faiss", "tensorflow", "keras", "ai_edge_litert", "PIL", "requests", "rich")


def _imports(*arguments: object) -> set[str]:
    """The modules that a command imports, by `-X importtime`."""
    command = [sys.executable, "-X", "importtime", "-m", "vecsim", *map(str, arguments)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stderr
    lines = [line for line in shown.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("completion", "bash"),
        ("match", "--help"),
        ("query", "--nonsense"),
    ],
)
def test_help_and_usage_errors_import_no_large_library(arguments: tuple[str, ...]) -> None:
    imported = _imports(*arguments)

    assert "click" in imported
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [
        ("info", "six"),
        ("models",),
        ("match", "six", "--threshold", "3"),
        ("build-index", "new", "missing.csv"),
    ],
)
def test_info_and_errors_import_neither_tensorflow_nor_faiss(
    arguments: tuple[str, ...], index: Path
) -> None:
    imported = _imports(*arguments)

    assert "vecsim.cli.group" in imported
    assert imported.isdisjoint({"faiss", "tensorflow", "keras", "ai_edge_litert"})


def test_a_query_by_a_file_imports_only_the_modules_it_uses(index: Path) -> None:
    picture = Path(__file__).resolve().parents[2] / "demo/images/3.jpg"
    unused = {
        "tensorflow",
        "requests",
        "rich",
        "PIL.AvifImagePlugin",
        "vecsim.index.writer",
        "vecsim.operations.building",
        "vecsim.render.report",
    }

    imported = _imports("query", index, "--url", picture, "--format", "csv")

    assert "vecsim.operations.querying" in imported
    assert imported.isdisjoint(unused)


def test_a_match_of_indexes_imports_nothing_that_reads_lists_or_loads_pictures(index: Path) -> None:
    unused = {
        "PIL",
        "numpy.ma",
        "vecsim.decode.image",
        "vecsim.fetch.fetcher",
        "vecsim.sources.reader",
        "vecsim.pipeline",
        "vecsim.operations.building",
        "vecsim.operations.syncing",
    }

    imported = _imports("match", index, index, "--format", "csv")

    assert "vecsim.operations.matching" in imported
    assert imported.isdisjoint(unused), imported & unused


def test_making_an_index_imports_no_sqlite_utils_and_nothing_that_decodes(tmp_path: Path) -> None:
    """The first takes a fifth of a second, and is there for files of older formats.

    Decoder processes import the others.
    """
    pictures = Path(__file__).resolve().parents[2] / "demo/images"

    imported = _imports("build-index", tmp_path / "new", pictures / "3.jpg", "--model", "phash")

    assert "vecsim.index.writer" in imported
    unused = imported & {"sqlite_utils", "pandas", "vecsim.decode.image", "PIL.PngImagePlugin"}
    assert unused == set()


@pytest.mark.ci
@pytest.mark.skipif(find_spec("pandas") is None, reason="needs pandas, to leave it out")
def test_bringing_an_index_up_to_date_imports_no_pandas(tmp_path: Path) -> None:
    """sqlite-utils imports it where it is installed, which takes half a second."""
    shutil.copytree(Path(__file__).resolve().parents[1] / "index/golden/v7", tmp_path / "old")

    imported = _imports("remove", tmp_path / "old", "nothing")

    assert "sqlite_utils.db" in imported
    assert "pandas" not in imported


def test_a_process_ends_quickly_and_in_order() -> None:
    """Exit handlers run, output is flushed, and the exit status is that of the command."""
    code = (
        "import atexit, sys, threading, time\n"
        "from vecsim.cli.process import run\n"
        "class Destroyed:\n"
        "    def __del__(self): print('destroyed')\n"
        "kept = Destroyed()\n"
        "def work():\n"
        "    time.sleep(1)\n"
        "    atexit.register(print, 'registered')\n"
        "    print('thread')\n"
        "threading.Thread(target=work).start()\n"
        "sys.argv = ['vecsim', 'info', 'nowhere']\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines() == ["thread", "registered"]
    assert done.stderr.startswith("Error: nowhere: not a vecsim index")
    assert done.returncode == 1


def _seconds_of_other_threads(prepare: str) -> float:
    """Processor time of all threads but the first, after NumPy was imported and 0.2 s went by."""
    code = (
        f"import os, time\n{prepare}\nimport numpy\ntime.sleep(0.2)\n"
        "rest = [task for task in os.listdir('/proc/self/task') if int(task) != os.getpid()]\n"
        "for task in rest:\n"
        "    fields = open(f'/proc/self/task/{task}/stat').read().rpartition(')')[2].split()\n"
        "    print(int(fields[11]) + int(fields[12]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return sum(map(int, done.stdout.split())) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of threads")
def test_threads_of_blas_do_not_wait_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """By themselves they take a tenth of a second of another core, once NumPy is imported."""
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT", raising=False)
    prepare = "from vecsim.cli.process import _let_blas_rest; _let_blas_rest()"
    assert _seconds_of_other_threads(prepare) <= 0.02


def test_a_given_rest_of_blas_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "20")
    process._let_blas_rest()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "20"
