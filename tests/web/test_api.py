"""The JSON API returns the same results as the library; `vecsim serve` starts and stops cleanly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers import HostileServer
from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server, environment, serving
from vecsim import Index
from vecsim.errors import IndexMissingError, UsageError, VecsimError
from vecsim.index.writer import Writer
from vecsim.web import ServeOptions
from vecsim.web.server import serve


def pairs(answer: dict) -> list[tuple[str, float]]:
    return [(match["id"], match["score"]) for match in answer["matches"]]


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
    assert thumbnail.headers["content-type"] == "image/webp"
    assert thumbnail.content[8:12] == b"WEBP"
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


# -- changing ------------------------------------------------------------------------------------


def test_add_search_replace_and_remove_images(
    writer: Server, changed: Path, shop: HostileServer
) -> None:
    client, images = writer.client, writer.api("indexes/six/images")
    new = [
        {"url": shop.url("/1.jpg"), "id": "new", "fields": {"title": "new"}},
        {"url": shop.url("/nope.jpg")},
    ]
    done = client.post(images, json={"images": new}).json()
    assert {key: done[key] for key in ("added", "failed", "skipped")} == {
        "added": 1, "failed": 1, "skipped": 0,
    }  # fmt: skip
    assert (done["failures"][0]["kind"], done["failures"][0]["http_status"]) == ("http", 404)
    again = client.post(images, json={"images": new[:1]}).json()
    assert (again["added"], again["skipped"]) == (0, 1)
    assert shop.seen.paths["/1.jpg"] == 1

    url = {"url": shop.url("/1.jpg"), "k": 2}
    found = client.post(writer.api("indexes/six/search/url"), json=url).json()
    assert pairs(found) == [("1", 1.0), ("new", 1.0)]
    image = client.get(writer.api("indexes/six/image?id=new")).json()
    assert image["fields"] == {"title": "new"} and image["width"] == 860
    assert client.get(writer.url.rstrip("/") + image["thumbnail"]).content[8:12] == b"WEBP"
    with Index.open(changed) as index:
        assert not index.verify()
        vectors = index.snapshot.slice(0, 8)[1]
        assert len(vectors) == 8
        assert (vectors[0] == vectors[7]).all()  # by path and by upload: the same to the last bit

    other = client.post(images, json={"images": [{"url": shop.url("/2.jpg"), "id": "new"}]})
    assert (other.status_code, other.json()["kind"]) == (409, "duplicate-id")
    replacing = {"images": [{"url": shop.url("/2.jpg"), "id": "new"}], "on_duplicate": "replace"}
    assert client.post(images, json=replacing).json()["replaced"] == 1

    assert client.delete(images, params={"id": ["new", "nope"]}).status_code == 404
    assert client.delete(images, params={"id": ["new", "4"]}).json() == {"removed": 2}
    assert client.get(writer.api("indexes/six/search?id=new")).status_code == 404
    with Index.open(changed) as index:
        assert len(index) == 6


def test_write_while_another_process_writes_gets_409(
    writer: Server, changed: Path, shop: HostileServer
) -> None:
    images = writer.api("indexes/six/images")
    with Writer(changed):
        added = writer.client.post(images, json={"images": [{"url": shop.url("/1.jpg")}]})
        removed = writer.client.delete(images, params={"id": "1"})
    for answer in (added, removed):
        assert (answer.status_code, answer.json()["kind"]) == (409, "locked")
        assert str(changed.parent) not in answer.text and "--wait" not in answer.text
    assert writer.client.delete(images, params={"id": "5"}).status_code == 200


def test_concurrent_additions_all_succeed(
    writer: Server, changed: Path, shop: HostileServer
) -> None:
    def add(number: int) -> int:
        image = {"url": shop.url(f"/{number % 6 + 1}.jpg"), "id": f"n{number}"}
        url = writer.api("indexes/six/images")
        return writer.client.post(url, json={"images": [image]}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(24))) == {200}
    with Index.open(changed) as index:
        assert sum(ref.id.startswith("n") for ref in index) == 24 and not index.verify()


def test_images_added_by_another_process_are_found_while_requests_continue(
    writer: Server, changed: Path
) -> None:
    stop, statuses = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            answer = writer.client.get(writer.api("indexes/six/search?id=3&k=500"))
            statuses.append((answer.status_code, len(answer.json()["matches"])))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in (1, 2):
            command = [sys.executable, "-m", "vecsim", "add", str(changed), "-", "--no-header"]
            row = f"p{number},{PICTURES / f'{number}.jpg'}\n"
            options = ["--id-column", "1", "--url-column", "2"]
            subprocess.run(
                [*command, *options], input=row, text=True, check=True, env=environment(),
                capture_output=True,
            )  # fmt: skip
            seen = writer.client.get(writer.api("indexes/six/search?id=3&k=500")).json()
            assert f"p{number}" in [match["id"] for match in seen["matches"]]
    finally:
        stop.set()
        asking.join()
    assert {status for status, _ in statuses} == {200}
    counts = [count for _, count in statuses]
    assert counts == sorted(counts) and counts[-1] > counts[0]


def test_missing_or_rebuilt_index_is_reported(copy: Path, vectors: Path) -> None:
    with serving(copy) as server:
        assert server.client.get(server.api("indexes/six/search?id=1")).status_code == 200
        copy.rename(copy.with_name("old"))
        gone = server.client.get(server.api("indexes/six/search?id=1"))
        assert (gone.status_code, gone.json()["kind"]) == (503, "index")
        Index.from_vectors(copy, [[1.0] * 64], ["1"], "phash-like").close()
        other = server.client.get(server.api("indexes/six/search?id=1"))
        assert (other.status_code, other.json()["kind"]) == (409, "other-model")


# -- the command ---------------------------------------------------------------------------------


def test_serve_command_ends_with_status_0_after_sigterm(built: Path) -> None:
    with serving(command=["-m", "vecsim", "serve", str(built), "--port", "0"]) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.client.get(server.api("indexes")).status_code == 200
        assert "token" not in server.said
        assert server.end(signal.SIGTERM) == 0


def test_shutdown_finishes_open_requests(copy: Path) -> None:
    from support.servers import slow_start

    picture = (PICTURES / "1.jpg").read_bytes()
    with (
        HostileServer({"/slow.jpg": slow_start(picture, 1.0)}) as shop,
        serving(copy, allow_writes=True, allow_private=True) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        image = {"url": shop.url("/slow.jpg"), "id": "late"}
        url = server.api("indexes/six/images")
        adding = pool.submit(server.client.post, url, json={"images": [image]})
        while not shop.seen.paths["/slow.jpg"]:
            threading.Event().wait(0.02)
        server.process.send_signal(signal.SIGTERM)
        assert adding.result().json()["added"] == 1
        assert server.process.wait(20) == 0
    with Index.open(copy) as index:
        assert "late" in index


def test_serve_refuses_invalid_addresses_paths_and_tokens(
    built: Path, reader: Server, tmp_path: Path
) -> None:
    for paths, options, kind, words in (
        ([built], {"port": reader.address[1]}, VecsimError, "cannot listen there"),
        ([built], {"port": 0, "host": "999.0.0.1"}, VecsimError, "cannot listen there"),
        ([tmp_path / "nope"], {"port": 0}, IndexMissingError, "not a vecsim index"),
        ([built, built], {"port": 0}, UsageError, "both are called 'six'"),
    ):
        with pytest.raises(kind, match=words):
            serve(paths, ServeOptions(**options))
    for token in ("", "a b", "é"):
        with pytest.raises(UsageError, match="token"):
            ServeOptions(token=token)


def test_serve_warns_about_a_public_address_without_token(built: Path) -> None:
    command = ["-m", "vecsim", "serve", str(built), "--port", "0", "--host", "0.0.0.0"]
    with serving(command=command) as server:
        assert server.client.get(server.api("indexes")).status_code == 200
        assert "Require an access token with --token" in server.said
        assert server.end(signal.SIGINT) == 0


def test_serve_without_fastapi_names_the_extra_to_install(built: Path) -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None; from vecsim.cli import main; "
        f"main(['serve', {json.dumps(str(built))}, '--port', '0'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "pip install 'vecsim[web]'" in ran.stderr
