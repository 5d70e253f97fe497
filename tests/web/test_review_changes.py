"""What the review of a server changes: decisions in the index, and files with a journal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.web_server import PICTURES, Server, serving
from vecsim import Index
from vecsim.errors import UsageError
from vecsim.index.writer import Writer
from vecsim.operations import deciding
from vecsim.web import ServeOptions


def ids_of_groups(server: Server) -> list[list[str]]:
    answer = server.client.get(server.api("indexes/six/groups")).json()
    place = [name for name, _ in answer["columns"]].index("id")
    return [[row[place] for row in group["rows"]] for group in answer["groups"]]


def decide(server: Server, *pairs: tuple[str, str, str | None]) -> Any:
    decisions = [{"first": a, "second": b, "verdict": verdict} for a, b, verdict in pairs]
    return server.client.post(server.api("indexes/six/decisions"), json={"decisions": decisions})


# -- decisions -------------------------------------------------------------------------------------


@pytest.mark.ci
def test_decisions_are_stored_taken_back_and_change_the_groups(copy: Path) -> None:
    with serving(copy, allow_writes=True) as server:
        assert ids_of_groups(server)[0] == ["3", "1", "2"]
        version = server.client.get(server.api("indexes/six/groups")).json()["version"]
        done = decide(server, ("3", "1", "same"), ("1", "2", "different"), ("3", "nope", "same"))
        assert done.json() == {
            "stored": 2, "known": 0, "forgotten": 0, "unknown": 1, "without_bytes": 0,
            "identical": 0, "contradictions": [],
        }  # fmt: skip
        assert ids_of_groups(server)[0] == ["3", "1"]
        answer = server.client.get(server.api("indexes/six/groups")).json()
        assert answer["version"] != version
        assert answer["groups"][0]["decided"] == [[0, 1, "same"]]
        done = decide(server, ("3", "2", "same")).json()
        assert done["contradictions"] == [["1", "3", "2"]] or done["contradictions"] == [
            ["2", "3", "1"]
        ]
        listed = server.client.get(server.api("indexes/six/decisions?limit=2")).json()
        assert (listed["total"], listed["next"], len(listed["decisions"])) == (3, 2, 2)
        assert listed["contradictions"] == done["contradictions"]
        back = [("1", "3", None), ("2", "1", None), ("2", "3", None), ("4", "5", None)]
        assert decide(server, *back).json()["forgotten"] == 3
        assert ids_of_groups(server)[0] == ["3", "1", "2"]
    assert deciding.list_decisions(copy) == ([], [])


@pytest.mark.ci
def test_parts_of_the_same_groups_go_on_after_a_decision(copy: Path) -> None:
    with serving(copy, allow_writes=True) as server:
        first = server.client.get(server.api("indexes/six/groups?limit=1")).json()
        decide(server, ("5", "6", "different"))
        asked = {"start": 1, "version": first["version"]}
        second = server.client.get(server.api("indexes/six/groups"), params=asked).json()
        assert (second["version"], second["total"]) == (first["version"], first["total"])


def test_a_read_only_server_stores_nothing(reader: Server) -> None:
    answer = decide(reader, ("1", "3", "same"))
    assert (answer.status_code, answer.json()["kind"]) == (403, "read-only")
    assert reader.client.get(reader.api("indexes/six/decisions")).json()["total"] == 0


@pytest.mark.ci
def test_decisions_of_other_sites_and_forms_are_refused(copy: Path) -> None:
    body = '{"decisions": [{"first": "1", "second": "3", "verdict": "same"}]}'
    with serving(copy, allow_files=True) as server:
        for path in ("decisions", "apply", "undo"):
            url = server.api(f"indexes/six/{path}")
            foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
            answer = server.client.post(url, content=body, headers=foreign)
            assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-origin")
            form = server.client.post(url, content=body, headers={"Content-Type": "text/plain"})
            assert (form.status_code, form.json()["kind"]) == (415, "content-type")
        assert server.client.get(server.api("indexes/six/decisions")).json()["total"] == 0


@pytest.mark.ci
def test_deciding_while_another_process_writes_gets_409(copy: Path) -> None:
    with serving(copy, allow_writes=True) as server, Writer(copy):
        answer = decide(server, ("1", "3", "same"))
        assert (answer.status_code, answer.json()["kind"]) == (409, "locked")


# -- files -----------------------------------------------------------------------------------------


class Shelf:
    """An index of a folder with pictures 1 to 3 and a copy of each, served with `allow_files`."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.pictures = folder / "Pictures"
        self.folder = folder

    def tree(self) -> dict[str, tuple[bytes, int]]:
        """Bytes and time of change of each file, by name."""
        return {
            path.name: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.pictures.iterdir()
        }

    def choices(self) -> list[dict[str, Any]]:
        return [
            {"group": str(n), "id": str(self.pictures / name), "keep": not name.startswith("copy")}
            for n in (1, 2, 3)
            for name in (f"{n}.jpg", f"copy-{n}.jpg")
        ]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.server.client.post(self.server.api(f"indexes/shelf/{path}"), json=body)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    pictures = tmp_path / "Pictures"
    pictures.mkdir()
    for n in (1, 2, 3):
        for name in (f"{n}.jpg", f"copy-{n}.jpg"):
            shutil.copy2(PICTURES / f"{n}.jpg", pictures / name)
            os.utime(pictures / name, ns=(10**18, 10**18 + n))
    with Index.create(tmp_path / "shelf", model="phash") as index:
        index.add(sorted(pictures.iterdir()))
    with serving(tmp_path / "shelf", allow_files=True) as server:
        yield Shelf(server, tmp_path)


def test_files_are_moved_after_a_dry_run_and_brought_back(shelf: Shelf) -> None:
    before = shelf.tree()
    body = {"choices": shelf.choices(), "method": "move", "folder": str(shelf.folder / "away")}
    dry = shelf.post("apply", body).json()
    assert dry["dry_run"] and dry["journal"] is None and dry["removed"] == 0
    assert [file["status"] for file in dry["files"]] == ["planned"] * 3
    assert shelf.tree() == before and not (shelf.folder / "away").exists()

    done = shelf.post("apply", {**body, "plan": dry["plan"]}).json()
    assert [file["status"] for file in done["files"]] == ["done"] * 3
    assert done["removed"] == 3 and not done["dry_run"]
    assert sorted(shelf.tree()) == ["1.jpg", "2.jpg", "3.jpg"]
    assert sorted(path.name for path in (shelf.folder / "away").rglob("*.jpg")) == [
        "copy-1.jpg",
        "copy-2.jpg",
        "copy-3.jpg",
    ]
    assert (shelf.folder / done["journal"]).is_file()
    with Index.open(shelf.folder / "shelf") as index:
        assert len(index) == 3

    again = shelf.post("apply", {**body, "plan": dry["plan"]})
    assert (again.status_code, again.json()["kind"]) == (409, "other-plan")
    undone = shelf.post("undo", {"journal": done["journal"]}).json()
    assert undone == {"restored": 3, "returned": 3, "failed": [], "lost_indexes": []}
    assert shelf.tree() == before
    with Index.open(shelf.folder / "shelf") as index:
        assert len(index) == 6


def test_links_and_changed_files(shelf: Shelf) -> None:
    (shelf.pictures / "copy-2.jpg").write_bytes(b"changed")
    body = {"choices": shelf.choices(), "method": "hardlink"}
    dry = shelf.post("apply", body).json()
    assert [file["status"] for file in dry["files"]] == ["planned", "skipped", "planned"]
    done = shelf.post("apply", {**body, "plan": dry["plan"]}).json()
    assert done["removed"] == 0
    assert (shelf.pictures / "copy-1.jpg").samefile(shelf.pictures / "1.jpg")
    assert (shelf.pictures / "copy-2.jpg").read_bytes() == b"changed"


def test_a_list_that_keeps_nothing_is_refused_whole(shelf: Shelf) -> None:
    before = shelf.tree()
    choices = [{**each, "keep": False} for each in shelf.choices()]
    answer = shelf.post("apply", {"choices": choices, "method": "trash"})
    assert (answer.status_code, answer.json()["kind"]) == (422, "bad-request")
    assert "keeps no image" in answer.json()["detail"]
    for folder in (None, "away", "~nobody-of-that-name/away"):
        asked = {"choices": shelf.choices(), "method": "move", "folder": folder}
        assert shelf.post("apply", asked).status_code == 422
    delete = shelf.post("apply", {"choices": shelf.choices(), "method": "delete"})
    assert delete.status_code == 422
    assert shelf.tree() == before


def test_only_journals_of_the_index_can_be_undone(shelf: Shelf) -> None:
    other = shelf.folder / "other-20260101-000000.journal"
    other.write_text("{}\n")
    for name in (other.name, "../shelf-20260101-000000.journal", "shelf-20260101-000000.journal"):
        answer = shelf.post("undo", {"journal": name})
        assert (answer.status_code, answer.json()["kind"]) == (404, "unknown-journal")


def test_files_are_left_alone_without_permission(copy: Path) -> None:
    choices = [{"group": "1", "id": "3", "keep": True}, {"group": "1", "id": "1", "keep": False}]
    with serving(copy, allow_writes=True) as server:
        for path, body in (
            ("apply", {"choices": choices, "method": "trash"}),
            ("undo", {"journal": "six-20260101-000000.journal"}),
        ):
            answer = server.client.post(server.api(f"indexes/six/{path}"), json=body)
            assert (answer.status_code, answer.json()["kind"]) == (403, "no-files")


@pytest.mark.parametrize(
    "reachable", [{"host": "0.0.0.0"}, {"host": "::"}, {"hosts": ("photos.example",)}]
)
def test_acting_on_files_is_refused_where_other_machines_reach_the_server(
    reachable: dict[str, Any],
) -> None:
    with pytest.raises(UsageError, match="only for this machine"):
        ServeOptions(allow_files=True, **reachable)
    assert ServeOptions(allow_files=True).allow_writes
