"""The JSON API returns the same results as the library, and problems as objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server, pairs
from vecsim import Index


@pytest.mark.parametrize("number", range(1, 7))
def test_search_by_upload_equals_query_of_the_library(
    reader: Server, built: Path, number: int
) -> None:
    picture = PICTURES / f"{number}.jpg"
    with Index.open(built) as index:
        all_ = [(m.reference_id, m.score) for m in index.query(picture, threshold=-1.0)]
        near = [(m.reference_id, m.score) for m in index.query(picture, threshold=0.5)]
        best = [(m.reference_id, m.score) for m in index.query(picture, top_k=3)]
    data = picture.read_bytes()

    assert pairs(reader.search("six", data)) == all_
    assert pairs(reader.search("six", data, threshold=0.5)) == near
    assert pairs(reader.search("six", data, k=3)) == best
    assert reader.search("six", data, k=3)["more"]
    assert not reader.search("six", data, k=7)["more"]


def test_search_by_id_equals_query_ids_of_the_library(reader: Server, vectors: Path) -> None:
    with Index.open(vectors) as index:
        for row in (0, 57, 100, 299):
            asked = {"id": f"v{row}", "k": 12, "threshold": 0.3}
            answer = reader.client.get(reader.api("indexes/vectors/search"), params=asked).json()
            best = [(m.reference_id, m.score) for m in index.query_ids(f"v{row}", top_k=12)]
            near = [(m.reference_id, m.score) for m in index.query_ids(f"v{row}", threshold=0.3)]
            assert pairs(answer) == [pair for pair in best if pair[1] >= 0.3] == near[:12]
            assert answer["more"] == (len(near) > 12)


def test_multipart_upload_equals_raw_upload(reader: Server) -> None:
    data = (PICTURES / "3.jpg").read_bytes()
    answer = reader.client.post(
        reader.api("indexes/six/search/upload"), files={"image": ("3.jpg", data, "image/jpeg")}
    )
    assert pairs(answer.json()) == pairs(reader.search("six", data))


def test_concurrent_requests_get_the_same_results_as_sequential_ones(reader: Server) -> None:
    pictures = [path.read_bytes() for path in sorted(PICTURES.iterdir())]
    alone = [pairs(reader.search("six", data)) for data in pictures]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda n: pairs(reader.search("six", pictures[n % 6])), range(60)))
    assert together == [alone[n % 6] for n in range(60)]


def test_list_images_in_pages(reader: Server, vectors: Path) -> None:
    seen, start = [], 0
    while start is not None:
        url = reader.api("indexes/vectors/images")
        answer = reader.client.get(url, params={"start": start, "limit": 140}).json()
        seen += [image["id"] for image in answer["images"]]
        assert answer["total"] == 300
        start = answer["next"]
    assert seen == [f"v{row}" for row in range(300)]
    beyond = reader.client.get(reader.api("indexes/vectors/images?start=9007199254740992")).json()
    assert (beyond["images"], beyond["next"]) == ([], None)


def test_id_with_special_characters_works_in_every_request(reader: Server) -> None:
    ids = {"id": HOSTILE_ID}
    image = reader.client.get(reader.api("indexes/six/image"), params=ids).json()
    assert image["id"] == HOSTILE_ID
    thumbnail = reader.client.get(reader.url.rstrip("/") + image["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.content.startswith(b"\xff\xd8")
    like = reader.client.get(reader.api("indexes/six/search"), params=ids).json()
    assert pairs(like)[0] == ("6", 1.0)


def test_list_failures_and_index_facts(reader: Server) -> None:
    failures = reader.client.get(reader.api("indexes/six/failures")).json()
    assert failures["by_kind"] == {"no-file": 1}
    assert failures["failures"][0]["id"] == "gone"
    facts = {i["name"]: i for i in reader.client.get(reader.api("indexes")).json()["indexes"]}
    assert facts["six"]["takes_pictures"] and not facts["vectors"]["takes_pictures"]
    assert facts["six"]["images"] == 7 and facts["vectors"]["threshold"] is None
    assert not facts["six"]["writable"]


def test_upload_to_an_index_of_external_vectors_is_refused(reader: Server) -> None:
    answer = reader.client.post(
        reader.api("indexes/vectors/search/upload"),
        content=(PICTURES / "1.jpg").read_bytes(),
        headers={"Content-Type": "image/jpeg"},
    )
    assert (answer.status_code, answer.json()["kind"]) == (409, "no-model")


@pytest.mark.parametrize(
    ("status", "kind", "path"),
    [
        (404, "unknown-index", "indexes/nope"),
        (404, "unknown-index", "indexes/nope/search?id=1"),
        (404, "unknown-id", "indexes/six/search?id=nope"),
        (404, "unknown-id", "indexes/six/image?id=nope"),
        (404, "unknown-id", "indexes/six/thumbnail?id=nope"),
        (404, "no-thumbnail", "indexes/vectors/thumbnail?id=v0"),
        (404, "not-found", "nope"),
        (422, "invalid", "indexes/six/search"),
        (422, "invalid", "indexes/six/search?id=1&k=0"),
        (422, "invalid", "indexes/six/search?id=1&k=1e9"),
        (422, "invalid", "indexes/six/search?id=1&threshold=nan"),
        (422, "invalid", "indexes/six/images?start=-1"),
    ],
)
def test_problem_objects_have_status_kind_detail_and_instance(
    reader: Server, built: Path, status: int, kind: str, path: str
) -> None:
    answer = reader.client.get(reader.api(path))
    problem = answer.json()
    assert (answer.status_code, problem["kind"]) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status and problem["detail"]
    assert problem["instance"] == f"/api/v1/{path.partition('?')[0]}"
    assert str(built) not in answer.text and "--" not in problem["detail"]


def test_a_turned_picture_is_found_by_upload_and_by_url(reader: Server, tmp_path: Path) -> None:
    with Image.open(PICTURES / "4.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "turned.png")
    data = (tmp_path / "turned.png").read_bytes()
    url = reader.api("indexes/six/search/upload")

    def found(**asked: str) -> dict[str, Any]:
        kind = {"Content-Type": "image/png"}
        answer = reader.client.post(url, params={"k": 1, **asked}, content=data, headers=kind)
        return answer.json()

    (best,) = found()["matches"]
    assert (best["id"], best["orientation"], found()["orientations"]) == ("4", "270", "turns")
    (as_it_is,) = found(orientations="none")["matches"]
    assert as_it_is["orientation"] is None
    assert as_it_is["score"] < best["score"]
    assert found(orientations="all")["matches"] == [best]
    assert "orientations" in found(orientations="sideways")["detail"]


def test_an_image_of_an_index_without_orientations_is_refused_with_advice(reader: Server) -> None:
    asked = {"id": "3", "orientations": "turns"}
    answer = reader.client.get(reader.api("indexes/six/search"), params=asked)
    assert answer.status_code == 422
    assert "or search by a file" in answer.json()["advice"]
    plain = reader.client.get(reader.api("indexes/six/search"), params={"id": "3"}).json()
    assert {match["orientation"] for match in plain["matches"]} == {None}
