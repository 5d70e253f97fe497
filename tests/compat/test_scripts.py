"""The predecessor's own example scripts, with the import changed and the host replaced."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

HOST = "https://raw.githubusercontent.com/ryanfwy/image_similarity/master/demo"
MATRIX = [
    [0.9338396, 0.6145143, 0.5912799],
    [0.8555930, 0.5911883, 0.5257384],
    [1, 0.6099966, 0.5702866],
    [0.6099966, 1, 0.5318411],
    [0.5702867, 0.5318412, 1],
    [0.5776337, 0.5264696, 0.8830167],
]
README_SCRIPT = """
similarity = ImageSimilarity()

'''Setup'''
similarity.batch_size = 16
similarity.num_processes = 2

'''Load source data'''
test1 = similarity.load_data_csv('./demo/test1.csv', delimiter=',')
test2 = similarity.load_data_csv('./demo/test2.csv', delimiter=',', cols=['id', 'url'])

'''Save features and fields'''
similarity.save_data('test1', test1)
similarity.save_data('test2', test2)

'''Calculate similarities'''
result = similarity.iteration(['test1_id', 'test1_url', 'test2_id', 'test2_url'], thresh=0.845)
print('Row for source file 1, and column for source file 2.')
print(result)
"""
OVERRIDE_SCRIPT = """
class NewImageSimilarity(ImageSimilarity):
    @staticmethod
    def _sub_process(para):
        # Override the method from the base class
        path, fields = para['path'], para['fields']
        try:
            feature = DeepModel.preprocess_image(path)
            return feature, fields

        except Exception as e:
            print('Error file %s: %s' % (fields[0], e))

        return None, None


if __name__ == "__main__":
    similarity = NewImageSimilarity()
    similarity.batch_size = 16
    similarity.num_processes = 2
    test1 = similarity.load_data_csv('./test1.csv', delimiter=',')
    test2 = similarity.load_data_csv('./test2.csv', delimiter=',', cols=['id', 'path'])
    similarity.save_data('test1', test1)
    similarity.save_data('test2', test2)
    result = similarity.iteration(['a', 'b', 'c', 'd'], thresh=0.845)
    import numpy
    numpy.save('matrix.npy', result)
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def host(shared: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(shared / "seed-demo"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run_script(text: str, folder: Path, shared: Path) -> str:
    script = folder / "script.py"
    script.write_text("from vecsim.compat import ImageSimilarity, DeepModel\n" + text)
    weights = shared / "weights" / "mobilenet_7_5_224_tf_no_top.h5"
    model = {"VECSIM_MODEL": "mobilenet-0.75-224", "VECSIM_WEIGHTS": str(weights)}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=os.environ | model,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def seed_csv(shared: Path, name: str, replacement: str) -> str:
    return (shared / "seed-demo" / f"{name}.csv").read_text().replace(HOST, replacement)


@pytest.mark.ci
def test_the_script_of_the_old_readme_runs(tmp_path: Path, shared: Path, host: str) -> None:
    (tmp_path / "demo").mkdir()
    for name in ("test1", "test2"):
        (tmp_path / "demo" / f"{name}.csv").write_text(seed_csv(shared, name, host))
    out = run_script(README_SCRIPT, tmp_path, shared)
    printed = out.split("column for source file 2.")[1]
    numbers = [float(part) for part in printed.replace("[", " ").replace("]", " ").split()]
    np.testing.assert_allclose(np.reshape(numbers, (6, 3)), MATRIX, atol=0.0005)

    ours = (tmp_path / "result_similarity.csv").read_text().splitlines()
    theirs = (shared / "seed-demo" / "result_similarity_mobilenet075.csv").read_text().splitlines()
    assert ours[0] == theirs[0]
    assert len(ours) == len(theirs)
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        *fields, score = mine.split("\t")
        *expected, expected_score = other.replace(HOST, host).split("\t")
        assert fields == expected
        assert float(score) == pytest.approx(float(expected_score), abs=0.0005)
        assert len(score.split(".")[1]) == 5

    for name in ("test1", "test2"):
        with h5py.File(shared / "seed-demo" / f"_{name}_feature.h5") as file:
            features = np.array(file["data"])
        with h5py.File(tmp_path / "__generated__" / f"_{name}_feature.h5") as file:
            np.testing.assert_allclose(np.array(file["data"]), features, atol=1e-4)
        fields = (tmp_path / "__generated__" / f"_{name}_fields.csv").read_text()
        expected = (shared / "seed-demo" / f"_{name}_fields.csv").read_text()
        assert fields == expected.replace(HOST, host)


def test_a_subclass_may_read_the_images_itself(tmp_path: Path, shared: Path) -> None:
    for name in ("test1", "test2"):
        text = seed_csv(shared, name, str(shared / "seed-demo")).replace("id,url", "id,path")
        (tmp_path / f"{name}.csv").write_text(text)
    run_script(OVERRIDE_SCRIPT, tmp_path, shared)
    np.testing.assert_allclose(np.load(tmp_path / "matrix.npy"), MATRIX, atol=0.0005)


@pytest.mark.ci
def test_a_failed_download_is_reported(tmp_path: Path, shared: Path, host: str) -> None:
    (tmp_path / "demo").mkdir()
    for name in ("test1", "test2"):
        text = seed_csv(shared, name, host).rstrip() + f"\n99,{host}/nowhere.jpg\n"
        (tmp_path / "demo" / f"{name}.csv").write_text(text)
    out = run_script(README_SCRIPT, tmp_path, shared)
    assert "Error downloading 99: http" in out
    assert "Left out, because they could not be loaded: 1" in out
    assert "Amount: 18 (6 * 3)" in out
