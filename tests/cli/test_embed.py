"""`vecsim embed`: vectors of images in a file, without an index."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow.parquet
import pytest

from vecsim import Index
from vecsim.operations.embedding import VectorOutput, embed_to_file
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import ImageRef

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of pictures, and a list of them with a row that fails in between."""
    folder = tmp_path / "photos"
    shutil.copytree(PICTURES, folder)
    names = sorted(os.listdir(folder))
    rows = [f"p{number},photos/{name},Title {number}" for number, name in enumerate(names)]
    rows.insert(2, "gone,photos/gone.jpg,Not there")
    (tmp_path / "list.csv").write_text("sku,photo,vector\n" + "\n".join(rows) + "\n")
    return folder


def stored(folder: Path, tmp_path: Path) -> tuple[list[str], np.ndarray]:
    """Ids and vectors of an index of a folder."""
    with Index.create(tmp_path / "compared", model="phash") as index:
        index.add(folder)
        return [ref.id for ref in index], index.vectors()


def test_the_vectors_are_those_of_an_index_in_the_order_of_the_list(
    vecsim, photos: Path, tmp_path: Path
) -> None:
    ran = vecsim("embed", photos, "-o", "out.npy", "--model", "phash")

    assert ran.status == 0
    ids, vectors = stored(photos, tmp_path)
    with Path("out.ids.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ids
    written = np.load("out.npy")
    assert written.dtype == np.float32
    assert np.array_equal(written, vectors)
    assert f"out.npy, out.ids.csv: {len(ids)} vectors." in ran.err


def test_failures_have_no_row_and_are_reported(vecsim, photos: Path) -> None:
    ran = vecsim(
        *("embed", "list.csv", "--id-column", "sku", "-o", "out.parquet", "--model", "phash"),
        *("--failures", "failed.csv", "--summary", "summary.json"),
    )

    assert ran.status == 3
    assert "gone.jpg: no-file" in ran.err
    table = pyarrow.parquet.read_table("out.parquet")
    assert table.schema.names == ["id", "url", "vector", "vector_2"]
    assert table["id"].to_pylist() == [f"p{n}" for n in range(len(os.listdir(photos)))]
    assert table["vector_2"].to_pylist()[:2] == ["Title 0", "Title 1"]
    assert table.schema.field("vector").type.list_size == 64
    with Path("failed.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["gone"]
    (run,) = json.loads(Path("summary.json").read_text())["facts"]["runs"]
    assert (run["files"], run["added"], run["failed"]) == (["out.parquet"], len(table), 1)


@pytest.mark.ci
@pytest.mark.parametrize("suffix", ["parquet", "npy"])
def test_import_takes_the_file_back(vecsim, photos: Path, tmp_path: Path, suffix: str) -> None:
    list_options = ["--id-column", "sku", "--columns", "vector"]
    vecsim("embed", "list.csv", "-o", f"out.{suffix}", "--model", "phash", *list_options)
    _, vectors = stored(photos, tmp_path)

    files = ["--from", "out.parquet"]
    if suffix == "npy":
        files = ["--features", "out.npy", "--fields", "out.ids.csv"]
    assert vecsim("import", "back", *files, "--model", "phash").status == 0

    with Index.open("back") as index:
        assert np.allclose(index.vectors(), vectors, atol=1e-6)
        (first, *_) = index
    assert (first.id, dict(first.fields)) == ("p0", {"vector_2": "Title 0"})


@pytest.mark.ci
def test_options_of_folders_apply_and_nothing_else_is_written(vecsim, photos: Path) -> None:
    before = set(os.listdir())

    ran = vecsim("embed", photos, "--exclude", "1.jpg", "-o", "out.npy", "--model", "phash")

    assert ran.status == 0
    assert len(np.load("out.npy")) == len(os.listdir(photos)) - 1
    assert set(os.listdir()) - before == {"out.npy", "out.ids.csv"}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.csv", "must end in .npy or .parquet"),
        ("list.npy", "list.ids.csv is read as a source"),
        ("no/out.npy", "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused(vecsim, photos: Path, output: str, message: str) -> None:
    shutil.copy("list.csv", "list.ids.csv")

    ran = vecsim("embed", "list.ids.csv", "-o", output, "--model", "phash")

    assert ran.status != 0
    assert message in ran.err
    assert not Path(output).exists()


@pytest.mark.ci
def test_two_lists_with_other_columns_have_the_columns_of_both(vecsim, photos: Path) -> None:
    Path("more.csv").write_text("id,url,colour\nx,photos/1.jpg,red\n")

    vecsim("embed", photos, "more.csv", "-o", "out.npy", "--model", "phash")

    with Path("out.ids.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    assert (last["id"], last["colour"]) == ("x", "red")


def test_an_interrupted_run_writes_no_file(photos: Path, tmp_path: Path) -> None:
    stop = Event()
    refs = [ImageRef(str(n), str(photos / "1.jpg")) for n in range(5)]

    def read():  # type: ignore[no-untyped-def]
        for ref in refs:
            yield ref
            stop.set()

    output = VectorOutput(tmp_path / "out.npy")
    report = embed_to_file(read(), output, RunOptions(ModelChoice("phash"), stop=stop))

    assert report.interrupted
    assert not any(file.exists() for file in output.files)
