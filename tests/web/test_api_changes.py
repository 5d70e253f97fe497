"""Adding and removing images by the JSON API, also while another process changes the index."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.servers import HostileServer
from support.web_server import PICTURES, Server, environment, pairs, serving
from vecsim import Index
from vecsim.index.writer import Writer


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
    assert client.get(writer.url.rstrip("/") + image["thumbnail"]).content[:2] == b"\xff\xd8"
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


@pytest.mark.ci
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


@pytest.mark.ci
def test_missing_or_rebuilt_index_is_reported(copy: Path, vectors: Path) -> None:
    with serving(copy) as server:
        assert server.client.get(server.api("indexes/six/search?id=1")).status_code == 200
        copy.rename(copy.with_name("old"))
        gone = server.client.get(server.api("indexes/six/search?id=1"))
        assert (gone.status_code, gone.json()["kind"]) == (503, "index")
        Index.from_vectors(copy, [[1.0] * 64], ["1"], "phash-like").close()
        other = server.client.get(server.api("indexes/six/search?id=1"))
        assert (other.status_code, other.json()["kind"]) == (409, "other-model")
