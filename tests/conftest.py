"""Fixtures for all tests."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# A shell starts jobs of the background with Ctrl-C ignored, which what they start inherits; tests
# interrupt processes of theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start some hundred processes, each of which would compile vecsim anew: a third of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data (VECSIM_SHARED, by default beside the repository)."""
    default = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("VECSIM_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set VECSIM_SHARED to the folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def converted_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of converted models of all processes of a test run: a conversion takes seconds."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "converted-models"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECSIM_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library between a process and libc that makes a chosen operation on files fail."""
    if shutil.which("gcc") is None:
        pytest.skip("tests of faults need gcc to compile tests/support/storage/shim.c")
    source = Path(__file__).parent / "support" / "storage" / "shim.c"
    made = tmp_path_factory.mktemp("shim") / "shim.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", made, source, "-ldl"]
    subprocess.run(command, check=True)
    return made


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on another file system than `tmp_path`."""
    place = Path("/dev/shm")
    if not place.is_dir() or place.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    made = place / f"vecsim-test-{os.getpid()}"
    made.mkdir()
    yield made
    shutil.rmtree(made)
