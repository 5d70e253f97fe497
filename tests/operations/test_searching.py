"""Queries and matches as operations: requests, blocks of queries, placeholders, models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vecsim.errors import FingerprintError, UnknownIdError, UsageError, VectorError
from vecsim.hints import Action
from vecsim.index import Snapshot
from vecsim.operations import building, clustering, matching, querying
from vecsim.operations.external_vectors import VectorTable, create_from_vectors
from vecsim.operations.index_settings import (
    store_threshold,
    stored_threshold,
    threshold_of,
)
from vecsim.operations.placeholders import hide_placeholders, shared_pictures
from vecsim.operations.requests import Grouping, ModelChoice, RunOptions, SearchRequest
from vecsim.records import Failure, ImageRef

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """An index of 300 vectors in the plane, one a degree, called 0 to 299."""
    angles = np.radians(np.arange(300))
    table = VectorTable(np.stack([np.cos(angles), np.sin(angles)], axis=1), range(300))
    create_from_vectors(tmp_path / "degrees", table)
    return tmp_path / "degrees"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """An index of picture 1 under three ids, and of pictures 2 and 3."""
    refs = [ImageRef(id_, str(PICTURES / f"{id_[0]}.jpg")) for id_ in ("1a", "1b", "1c", "2", "3")]
    building.build_index(tmp_path / "six", refs, RunOptions(ModelChoice("phash")))
    return tmp_path / "six"


def test_one_vector_and_many_are_queries_called_by_their_rows(vectors: Path) -> None:
    with Snapshot(vectors) as snapshot:
        one = querying.query_vectors(snapshot, [5.0, 0.0], SearchRequest(top_k=1))
        assert [(m.query_id, m.reference_id, m.score) for m in one] == [("0", "0", 1.0)]
        _, all_vectors = snapshot.slice(0, 300)
        found = querying.query_vectors(snapshot, all_vectors, SearchRequest(1.0))
        # More than one block of queries, in order.
        assert [m.query_id for m in found] == [m.reference_id for m in found]
        assert len(found.to_numpy()) == 300


def test_query_vectors_must_fit_the_index(vectors: Path) -> None:
    request = SearchRequest(0.5)
    with Snapshot(vectors) as snapshot:
        with pytest.raises(FingerprintError, match="2 dimensions, the queries have 3"):
            querying.query_vectors(snapshot, [1, 2, 3], request)
        with pytest.raises(VectorError):
            querying.query_vectors(snapshot, [0, 0], request)
        with pytest.raises(UsageError, match="2 vectors were given, but 1 ids"):
            querying.query_vectors(snapshot, np.eye(2), request, ["a"])


def test_an_image_of_the_index_is_not_its_own_match(vectors: Path) -> None:
    with Snapshot(vectors) as snapshot:
        best = querying.query_ids(snapshot, ["7", "100"], SearchRequest(top_k=2))
        assert [m.reference_id for m in best] == ["6", "8", "101", "99"]
        near = querying.query_ids(snapshot, ["7"], SearchRequest(0.9998))
        assert sorted(m.reference_id for m in near) == ["6", "8"]
        with pytest.raises(UnknownIdError):
            querying.query_ids(snapshot, ["300"], SearchRequest(0.5))


def test_query_images_hands_failures_over_and_uses_known_bytes(pictures: Path) -> None:
    failed: list[Failure] = []
    refs = [ImageRef("q", str(PICTURES / "1.jpg")), ImageRef("none", "none.jpg")]
    images = querying.QueryImages(lambda: refs, len(refs), on_failure=failed.append)
    with Snapshot(pictures) as snapshot:
        request = SearchRequest(1.0, thumbnails=True, show_all=True)
        found = querying.query_images(snapshot, images, request)
        (block,) = found.blocks()
    assert [block.references[key].ref.id for key in block.pairs.reference.tolist()] == [
        "1a",
        "1b",
        "1c",
    ]
    assert list(block.query_thumbnails) == [0]
    assert [failure.ref.id for failure in failed] == ["none"]


def test_placeholders_are_left_out_on_both_sides(pictures: Path) -> None:
    request = SearchRequest(-1.0, skip_placeholders=3)
    with Snapshot(pictures) as snapshot:
        assert [(shared.images, shared.urls) for shared in shared_pictures(snapshot, 3)] == [(3, 1)]
        found = querying.query_ids(snapshot, ["1a", "2"], request)
        # Picture 3 is so like picture 1 that it counts as one more copy; picture 2 is not.
        assert list(found) == []
        assert (found.left_out.images, found.left_out.pictures) == (4, 1)
        assert snapshot.count == 1
        assert not hide_placeholders(None, snapshot).images


def test_one_path_is_opened_once_and_two_paths_twice(vectors: Path) -> None:
    with matching.open_pair([vectors]) as (queries, references):
        assert queries is references
    with matching.open_pair([vectors, vectors]) as (queries, references):
        assert queries is not references


def test_best_only_needs_a_query(vectors: Path) -> None:
    with matching.open_pair([vectors]) as (queries, references):
        with pytest.raises(UsageError, match="there is no query") as raised:
            matching.match(queries, references, SearchRequest(0.5, best_only=True))
        assert raised.value.hint is not None
        assert raised.value.hint.action is Action.GIVE_SECOND_SET
    with matching.open_pair([vectors, vectors]) as pair:
        found = matching.match(*pair, SearchRequest(0.5, best_only=True))
        assert [m.query_id for m in found] == [m.reference_id for m in found]


def test_indexes_of_two_models_are_not_matched(vectors: Path, pictures: Path) -> None:
    with (
        matching.open_pair([vectors, pictures]) as pair,
        pytest.raises(FingerprintError, match=r"external.*phash"),
    ):
        matching.match(*pair, SearchRequest(0.5))


def test_the_threshold_is_given_or_stored_or_the_model_s(vectors: Path, pictures: Path) -> None:
    with Snapshot(pictures) as snapshot:
        assert stored_threshold(snapshot) is None
        usual = threshold_of(snapshot)
    store_threshold(pictures, 0.5)
    with Snapshot(pictures) as snapshot:
        assert usual != 0.5
        assert threshold_of(snapshot) == stored_threshold(snapshot) == 0.5
        assert threshold_of(snapshot, 0.7) == 0.7
    with pytest.raises(UsageError, match="between -1 and 1"):
        store_threshold(pictures, 2)
    with Snapshot(vectors) as snapshot, pytest.raises(UsageError, match="no usual") as raised:
        threshold_of(snapshot)
    assert raised.value.hint is not None
    assert raised.value.hint.action is Action.CHOOSE_THRESHOLD


@pytest.mark.parametrize(("keep", "kept"), [("oldest", "1a"), ("first", "1a"), ("largest", "1a")])
def test_equal_images_are_one_cluster(keep: str, kept: str, pictures: Path) -> None:
    with Snapshot(pictures) as snapshot:
        (cluster,) = clustering.clusters(
            snapshot, SearchRequest(1.0, show_all=True), Grouping(keep=keep)
        )
        assert [ref.id for ref in cluster.members] == [kept, "1b", "1c"]
        with pytest.raises(UsageError, match="keep='best'"):
            clustering.clusters(snapshot, SearchRequest(1.0), Grouping(keep="best"))


def test_the_matrix_has_the_scores_of_the_match(vectors: Path, tmp_path: Path) -> None:
    with matching.open_pair([vectors, vectors]) as (queries, references):
        shape = matching.write_matrix(queries, references, tmp_path / "m.npy")
        found = matching.match(queries, references, SearchRequest(0.5)).to_numpy()
    matrix = np.load(tmp_path / "m.npy")
    assert shape == matrix.shape == (300, 300)
    rows, columns = found["query_id"].astype(int), found["reference_id"].astype(int)
    assert np.array_equal(matrix[rows, columns], found["score"])
    assert len(found) == np.count_nonzero(matrix >= 0.5)
