"""Import and export of files of vectors."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from vecsim import Index, match
from vecsim.compat import ImageSimilarity
from vecsim.errors import FingerprintError, InputError, UsageError
from vecsim.operations.external_vectors import VectorFiles, export_vectors, import_vectors
from vecsim.operations.requests import ModelChoice


def test_files_of_the_predecessor_are_imported(tmp_path: Path, shared: Path) -> None:
    for name in ("test1", "test2"):
        features = shared / "seed-demo" / f"_{name}_feature.h5"
        fields = shared / "seed-demo" / f"_{name}_fields.csv"
        import_vectors(tmp_path / name, VectorFiles(features, fields))
    found = match(tmp_path / "test1", tmp_path / "test2", threshold=0.845, best_only=True)
    theirs = (shared / "seed-demo" / "result_similarity_mobilenet075.csv").read_text()
    expected = [line.split("\t") for line in theirs.splitlines()[1:]]
    assert [[m.query_id, m.query_url, m.reference_id, m.reference_url] for m in found] == [
        row[:4] for row in expected
    ]
    scores = [m.score for m in found]
    np.testing.assert_allclose(scores, [float(row[4]) for row in expected], atol=0.00001)


@pytest.mark.parametrize("suffix", [".h5", ".npy"])
def test_exported_files_are_imported_again(tmp_path: Path, suffix: str) -> None:
    vectors = np.random.default_rng(3).normal(size=(9, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Index.from_vectors(
        tmp_path / "a", vectors, range(9), urls=[f"/{n}.jpg" for n in range(9)]
    ) as index:
        stored = index.snapshot.slice(0, 9)[1]
    features, fields = tmp_path / f"features{suffix}", tmp_path / "fields.csv"
    assert export_vectors(tmp_path / "a", features, fields) == 9
    if suffix == ".h5":
        np.testing.assert_array_equal(ImageSimilarity.load_data_h5(features), stored)
        rows = ImageSimilarity.load_data_csv(fields, delimiter="\t", include_header=False)
        assert rows.tolist() == [[str(n), f"/{n}.jpg"] for n in range(9)]
        import_vectors(tmp_path / "b", VectorFiles(features, fields))
        pairs = match(tmp_path / "a", tmp_path / "b", threshold=1.0)
        assert [(m.query_id, m.reference_id) for m in pairs] == [(str(n), str(n)) for n in range(9)]
    else:
        np.testing.assert_array_equal(np.load(features), stored)


def test_vectors_and_rows_must_be_as_many(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(3))
    (tmp_path / "f.csv").write_text("id,url\n1,a.jpg\n")
    with pytest.raises(InputError, match=r"3 vectors, but .* lists 1 images"):
        import_vectors(tmp_path / "i", VectorFiles(tmp_path / "v.npy", tmp_path / "f.csv"))
    assert not (tmp_path / "i").exists()


def test_files_that_hold_no_vectors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("id,url\n1,a.jpg\n")
    for name in ("text.h5", "text.npy"):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(InputError, match="not a file of vectors"):
            import_vectors(tmp_path / "i", VectorFiles(tmp_path / name, tmp_path / "f.csv"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("something", data=np.eye(2))
    with pytest.raises(InputError, match="dataset 'data'"):
        import_vectors(tmp_path / "i", VectorFiles(tmp_path / "other.h5", tmp_path / "f.csv"))


def test_imported_vectors_of_two_models_are_not_compared(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(2))
    (tmp_path / "f.csv").write_text("id,url\n1,a.jpg\n2,b.jpg\n")
    import_vectors(
        tmp_path / "a", VectorFiles(tmp_path / "v.npy", tmp_path / "f.csv"), ModelChoice("clip")
    )
    import_vectors(
        tmp_path / "b", VectorFiles(tmp_path / "v.npy", tmp_path / "f.csv"), ModelChoice("dino")
    )
    with pytest.raises(FingerprintError, match=r"clip .* dino"):
        list(match(tmp_path / "a", tmp_path / "b", threshold=0.5))


def test_export_to_an_unknown_format_names_the_formats(tmp_path: Path) -> None:
    Index.from_vectors(tmp_path / "a", np.eye(2), [1, 2])
    with pytest.raises(UsageError, match=r"\.h5 or \.npy"):
        export_vectors(tmp_path / "a", tmp_path / "v.bin", tmp_path / "f.csv")
    assert not list(tmp_path.glob(".*part"))
