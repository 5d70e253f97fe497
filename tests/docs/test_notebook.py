"""The notebook of the documentation runs: from Pillow images to a reviewed cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.ci
def test_the_notebook_ends_with_a_reviewed_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)

    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(work)}}
    ).execute()

    assert [path.name for path in work.iterdir()] == ["pictures.index"]
    shown = [_shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert "6 of 6" in shown[2] and "<progress" in shown[2]
    for text in shown[2:5:2] + shown[5:7]:
        assert "data:image/jpeg;base64," in text or "query_id" in text
    assert "4 images" in shown[5]
    assert "3 images" in shown[6]
    assert shown[7] == "{'drawing': True, 'bright': False, 'small': False}"


def _shown(cell: Any) -> str:
    """What a cell of code shows, as HTML where it has some."""
    data = [output["data"] for output in cell.outputs if "data" in output]
    return "\n".join(each.get("text/html", each.get("text/plain", "")) for each in data)
