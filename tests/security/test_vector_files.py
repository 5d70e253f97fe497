"""Files of vectors from strangers: `import` reads no other file, and no more than there is."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from support.commands import run
from support.on_disk import stored
from support.storage.forks import forked
from vecsim.errors import InputError
from vecsim.operations.external_vectors import VectorFiles, import_vectors

ROWS, DIM = 3, 4
MEMORY = 64 << 20


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the victim, as long as the vectors are."""
    path = tmp_path / "secret"
    np.arange(1, ROWS * DIM + 1, dtype=np.float32).tofile(path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> VectorFiles:
    fields = tmp_path / "fields.tsv"
    fields.write_text("".join(f"{n}\thttp://x.example/{n}\n" for n in range(ROWS)))
    return VectorFiles(tmp_path / "v.h5", fields)


def external_storage(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        part = [(str(secret), 0, secret.stat().st_size)]
        file.create_dataset("data", (ROWS, DIM), np.float32, external=part)


def with_other(path: Path) -> Path:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["data"] = np.ones((ROWS, DIM), np.float32)
    return other


def external_link(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink(str(with_other(path)), "/data")


def soft_link_through_an_external_one(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file["other"] = h5py.ExternalLink(str(with_other(path)), "/")
        file["data"] = h5py.SoftLink("/other/data")


def virtual(path: Path, secret: Path) -> None:
    layout = h5py.VirtualLayout((ROWS, DIM), np.float32)
    layout[:] = h5py.VirtualSource(str(with_other(path)), "data", (ROWS, DIM))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)


def of_pickles(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=[["x"] * DIM] * ROWS, dtype=h5py.string_dtype())


def a_group(path: Path, secret: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("data")


def pipe(path: Path, secret: Path) -> None:
    os.mkfifo(path)


STRANGE = [
    external_storage,
    external_link,
    soft_link_through_an_external_one,
    virtual,
    of_pickles,
    a_group,
    pipe,
]


@pytest.mark.parametrize("make", STRANGE)
def test_vectors_in_another_file_are_refused(
    make: Callable[[Path, Path], None], files: VectorFiles, secret: Path, tmp_path: Path
) -> None:
    make(files.features, secret)

    status, text = forked(lambda: str(import_vectors(tmp_path / "i", files)), seconds=60)

    assert status == 1, text
    assert text.startswith(f"{files.features}: ") or text == f"no such file: {files.features}"
    assert not (tmp_path / "i").exists()


def nothing_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (ROWS, 30_000_000), np.float32)


def a_large_chunk(path: Path) -> None:
    with h5py.File(path, "w") as file:
        size = {"maxshape": (None, None), "chunks": (ROWS, 20_000_000)}
        data = file.create_dataset("data", (ROWS, DIM), np.float32, compression="gzip", **size)
        data[:] = 1


def one_part_of_zeros(path: Path) -> None:
    """A part that zlib makes two thousand times the size that the file says."""
    shape = (ROWS, 16_384)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", shape, np.float32, chunks=shape, compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(6 * MEMORY), 1))


@pytest.mark.parametrize("make", [nothing_written, a_large_chunk, one_part_of_zeros])
def test_a_small_file_takes_little_memory(
    make: Callable[[Path], None], files: VectorFiles, tmp_path: Path
) -> None:
    make(files.features)

    def work() -> str:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = peak()
        with pytest.raises(InputError) as caught:
            import_vectors(tmp_path / "i", files)
        return json.dumps([caught.value.message, peak() - before])

    status, text = forked(work)

    assert status == 0, text
    message, grown = json.loads(text)
    assert grown < MEMORY
    assert message.startswith(f"{files.features}: ")
    assert not (tmp_path / "i").exists()


def peak() -> int:
    """The most memory that this process had resident, in bytes."""
    (line,) = (
        each for each in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in each
    )
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"compression": "lzf"}])
def test_own_files_are_imported_in_each_usual_form(
    options: dict[str, str], files: VectorFiles, tmp_path: Path
) -> None:
    vectors = np.eye(ROWS, DIM, dtype=np.float32)
    with h5py.File(files.features, "w") as file:
        file.create_dataset("data", data=vectors, shuffle=bool(options) or None, **options)

    assert import_vectors(tmp_path / "i", files) == ROWS

    assert np.array_equal(stored(tmp_path / "i", DIM)[1], vectors)


def test_the_command_says_why(files: VectorFiles, secret: Path, tmp_path: Path) -> None:
    external_storage(files.features, secret)
    arguments = ("--features", files.features, "--fields", files.fields)

    said = run("import", tmp_path / "i", *arguments, status=1)

    assert said.strip() == (
        f"Error: {files.features}: takes its numbers from other files. Copy them into one file."
    )
