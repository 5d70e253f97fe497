"""Reading lists and comparing features as the predecessor did."""

from pathlib import Path

import numpy as np
import pytest

from vecsim.compat import DeepModel, ImageSimilarity
from vecsim.errors import InputError, UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_columns_are_selected_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name,url\n1,one,a.jpg\n2,two,b.jpg\n")
    data = ImageSimilarity.load_data_csv(path, delimiter=",", cols=["url", "id"])
    assert data.tolist() == [["a.jpg", "1"], ["b.jpg", "2"]]


def test_one_row_is_a_table_of_two_dimensions(tmp_path: Path) -> None:
    path = write(tmp_path, "1\ta.jpg\n")
    data = ImageSimilarity.load_data_csv(path, delimiter="\t", include_header=False)
    assert data.shape == (1, 2)


def test_ragged_rows_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "id,url\n1,a.jpg\n2\n3,c.jpg\n")
    data = ImageSimilarity.load_data_csv(path, delimiter=",")
    assert data[:, 0].tolist() == ["1", "3"]
    assert "line 3: left out: 1 columns, not 2" in capsys.readouterr().err


def test_errors_of_lists_say_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, "id,url\n1,a.jpg\n")
    with pytest.raises(UsageError, match="delimiter"):
        ImageSimilarity.load_data_csv(path)
    with pytest.raises(InputError, match="no column 'picture'; there are id, url"):
        ImageSimilarity.load_data_csv(path, delimiter=",", cols=["picture"])


def test_cosine_distance_is_the_cosine() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(5, 7)), random.normal(size=(3, 7))
    expected = [[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a]
    np.testing.assert_allclose(DeepModel.cosine_distance(a, b), expected)


def test_a_large_matrix_is_memory_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vecsim.compat._LARGEST_IN_MEMORY", 1000)
    (tmp_path / "__generated__").mkdir()
    features = np.random.default_rng(2).normal(size=(60, 4)).astype(np.float32)
    for title in ("a", "b"):
        with h5py.File(tmp_path / "__generated__" / f"_{title}_feature.h5", "w") as file:
            file.create_dataset("data", data=features)
        rows = "".join(f"{number}\t{number}.jpg\n" for number in range(60))
        (tmp_path / "__generated__" / f"_{title}_fields.csv").write_text(rows)
    result = ImageSimilarity().iteration(["i", "u", "j", "v"], 0.9999, title1="a", title2="b")
    assert isinstance(result, np.memmap)
    np.testing.assert_allclose(result, DeepModel.cosine_distance(features, features), rtol=1e-6)
    lines = (tmp_path / "result_similarity.csv").read_text().splitlines()
    assert lines[0] == "i\tu\tj\tv\tsimilarity"
    assert [line.split("\t")[0] for line in lines[1:]] == [str(n) for n in range(60)]
    assert all(line.split("\t")[0] == line.split("\t")[2] for line in lines[1:])
