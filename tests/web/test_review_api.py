"""The JSON API for reviewing groups: groups as the library finds them, and larger pictures."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import httpx
import pytest
from PIL import Image

from support.web_indexes import HOSTILE_ID
from support.web_server import PICTURES, Server, serving
from vecsim import Index


def test_groups_equal_those_of_the_library(reader: Server, built: Path, vectors: Path) -> None:
    with Index.open(built) as index:
        expected = [[ref.id for ref in group.members] for group in index.clusters()]
    answer = reader.client.get(reader.api("indexes/six/groups")).json()
    names = [name for name, kind in answer["columns"]]
    place = names.index("id")
    assert [[row[place] for row in group["rows"]] for group in answer["groups"]] == expected
    assert answer["total"] == 2 and answer["next"] is None and answer["threshold"] == 0.6875

    with Index.open(vectors) as index:
        expected = [[ref.id for ref in group.members] for group in index.clusters(threshold=0.6)]
    seen: list[list[str]] = []
    start: int | None = 0
    while start is not None:
        asked = {"threshold": 0.6, "start": start, "limit": 4}
        answer = reader.client.get(reader.api("indexes/vectors/groups"), params=asked).json()
        seen += [[row[place] for row in group["rows"]] for group in answer["groups"]]
        assert [group["rows"][0][0] for group in answer["groups"]] == list(
            range(start + 1, len(seen) + 1)
        )
        start = answer["next"]
    assert seen == expected and len(seen) > 4


@pytest.mark.ci
def test_groups_follow_changes_of_the_index(copy: Path) -> None:
    with serving(copy) as server:
        before = server.client.get(server.api("indexes/six/groups")).json()
        with Index.open(copy) as index:
            index.remove(["5", HOSTILE_ID])
        after = server.client.get(server.api("indexes/six/groups")).json()
    assert (before["total"], after["total"]) == (2, 1)
    assert before["version"] != after["version"]


@pytest.mark.ci
def test_pictures_are_rendered_only_from_the_indexed_bytes(tmp_path: Path) -> None:
    picture = Path(shutil.copy(PICTURES / "1.jpg", tmp_path / "1.jpg"))
    with Index.create(tmp_path / "one", model="phash") as index:
        index.add([picture])
        (row,) = index.snapshot.all_rows()
    with serving(tmp_path / "one") as server:

        def ask(size: str) -> httpx.Response:
            asked = {"id": row.ref.id, "size": size}
            return server.client.get(server.api("indexes/one/picture"), params=asked)

        for size, sides in (("card", (640, 595)), ("full", (860, 800))):
            answer = ask(size)
            assert answer.headers["content-type"] == "image/webp"
            assert Image.open(io.BytesIO(answer.content)).size == sides
        shutil.copy(PICTURES / "2.jpg", picture)
        answer = ask("full")
        assert answer.status_code == 422 and answer.json()["kind"] == "changed"
        assert str(tmp_path) not in answer.text
        picture.unlink()
        answer = ask("full")
        assert answer.status_code == 422 and answer.json()["kind"] == "no-file"
        assert ask("huge").status_code == 422
