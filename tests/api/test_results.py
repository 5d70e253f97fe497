"""Results as tables and in notebooks; just the vectors; progress and cancelling."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vecsim
from vecsim import ImageEmbedder, ImageRef, Index, Progress, embed, match
from vecsim.errors import ImageError, StoppedError, UnknownIdError, UsageError

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
FILES = [PICTURES / f"{n}.jpg" for n in (1, 2, 3)]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    index = Index.create(tmp_path / "index", model="phash")
    index.add([ImageRef(f"<b>{n}", str(file), {"t": f"t{n}"}) for n, file in enumerate(FILES)])
    return index


def rows(kind: str, result: Any, **how: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    table = getattr(result, f"to_{kind}")(**how)
    if kind == "numpy":
        return list(table.dtype.names), table.tolist()
    if kind == "pandas":
        return list(table.columns), list(table.itertuples(index=False, name=None))
    if kind == "polars":
        return table.columns, table.rows()
    return table.column_names, [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "arrow"])
def test_matches_and_clusters_become_tables(index: Index, kind: str) -> None:
    if kind != "numpy":
        pytest.importorskip("pyarrow" if kind == "arrow" else kind)
    found = match(index, threshold=0.9)

    assert rows(kind, found) == (["query_id", "reference_id", "score"], [("<b>0", "<b>2", 0.9375)])
    names, values = rows(kind, found, fields=True)
    assert names == [
        *("query_id", "query_url", "reference_id", "reference_url", "score"),
        *("query_t", "reference_t"),
    ]
    assert values == [("<b>0", str(FILES[0]), "<b>2", str(FILES[2]), 0.9375, "t0", "t2")]
    names, values = rows(kind, index.clusters(threshold=0.9), fields=True)
    assert names[:5] == ["group", "size", "id", "url", "keep"] and names[-1] == "t"
    assert [row[2] for row in values] == ["<b>2", "<b>0"]
    none = match(index, threshold=1)
    assert rows(kind, none, fields=True)[1] == []


def test_a_notebook_shows_pictures_side_by_side_and_escapes_texts(index: Index) -> None:
    shown: list[Any] = [match(index, threshold=0.9), index.clusters(threshold=0.9)]
    shown += [index.query(FILES[0], threshold=0.9), index.query_ids("<b>0", threshold=0.9)]

    for each in shown:
        html = each._repr_html_()
        assert html.count("data:image/jpeg") in (2, 4), each
        assert "<b>" not in html and "&lt;b&gt;2" in html
        assert repr(each).startswith("<")
    assert index._repr_html_().count("data:image/jpeg") == 3
    assert "3 images, phash" in repr(index)
    assert "not made yet" in repr(Index(index.path / "none"))


def test_vectors_are_those_that_the_index_stores(index: Index) -> None:
    vectors = embed(FILES, model="phash")

    assert vectors.dtype == np.float32
    assert (vectors == index.vectors()).all()
    assert (index.vectors(["<b>2", "<b>0", "<b>2"]) == vectors[[2, 0, 2]]).all()
    with pytest.raises(UnknownIdError):
        index.vectors("nobody")
    assert embed([], model="phash").shape == (0, 64)


def test_an_image_that_failed_has_a_row_of_nan(tmp_path: Path) -> None:
    failures: list[Any] = []

    vectors = embed([FILES[0], b"text"], model="phash", failed=failures.append)

    assert np.isfinite(vectors[0]).all() and np.isnan(vectors[1]).all()
    assert [str(failure.kind) for failure in failures] == ["not-an-image"]
    with pytest.raises(ImageError):
        embed([b"text"], model="phash")


def test_a_stream_has_an_outcome_for_each_image() -> None:
    with ImageEmbedder("phash") as embedder:
        assert embedder.dim == 64
        outcomes = list(embedder.stream([*FILES, b"text"], ids=list("abcd")))
        assert embedder.embed(FILES).shape == (3, 64)

    assert [outcome.ref.id for outcome in outcomes] == ["a", "b", "c", "d"]
    assert isinstance(outcomes[3], vecsim.Failure)


def test_progress_goes_to_a_function_and_cancelling_keeps_what_is_done(index: Index) -> None:
    seen: list[Progress] = []
    index.add({"new": FILES[0]}, progress=seen.append)
    assert seen[-1] == Progress(1, 1)
    cancel = threading.Event()
    cancel.set()

    assert index.add({"newer": FILES[1]}, cancel=cancel).interrupted
    with pytest.raises(StoppedError):
        embed(FILES, model="phash", cancel=cancel)
    with pytest.raises(UsageError, match="progress="):
        index.add(FILES, progress="yes")  # type: ignore[call-overload]


def test_progress_on_standard_error(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    assert index.refresh(progress=True).unchanged == 3
    assert capsys.readouterr().out == ""


def test_a_recommended_threshold_is_stored(index: Index, tmp_path: Path) -> None:
    found = index.calibrate()
    assert found.counts.total == 3 and found.recommended is None
    with pytest.raises(UsageError, match="none can be recommended"):
        index.calibrate(apply=True)
    with pytest.raises(UsageError, match="precision="):
        index.calibrate(precision=2)
    answers = tmp_path / "answers.csv"
    answers.write_text(
        "query_id,reference_id,score,stratum_from,stratum_to,answer\n"
        "<b>0,<b>2,0.9375,0.5,1,same\n"
        "<b>0,<b>1,0.75,0.5,1,same\n"
        "<b>1,<b>2,0.8125,0.5,1,same\n"
    )
    best = index.calibrate(labels=[answers], precision=0.01, apply=True).recommended
    assert best is not None
    assert index.threshold == best.threshold
    assert index.info().own_threshold
