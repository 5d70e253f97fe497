"""A catalogue on a loopback server that changes every night; counts requests."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from email.message import Message
from hashlib import sha256
from pathlib import Path

from support.servers.counting import CountingServer
from support.shop import picture


class Catalogue(CountingServer):
    """Serves `pictures` by path with an ETag, and answers conditional requests.

    `conditional`: how many requests had If-None-Match. `bodies`: how many answers had a body.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, bytes] = {}
        self.conditional = self.bodies = 0

    def answer(self, path: str, headers: Message) -> tuple[int, Mapping[str, str], bytes]:
        known = headers.get("If-None-Match")
        self.conditional += known is not None
        data = self.pictures.get(path)
        if data is None:
            return 404, {}, b""
        etag = f'"{sha256(data).hexdigest()}"'
        if known == etag:
            return 304, {"ETag": etag}, b""
        self.bodies += bool(data)
        return 200, {"ETag": etag}, data

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def forget(self) -> None:
        self.requests.clear()
        self.conditional = self.bodies = 0


def write_catalogue(path: Path, listed: dict[str, tuple[str, str]]) -> Path:
    """Write a list of ids with their URLs and titles."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "title"])
        writer.writerows([id_, url, title] for id_, (url, title) in listed.items())
    return path


def first_night(catalogue: Catalogue, count: int) -> dict[str, tuple[str, str]]:
    for number in range(count):
        catalogue.pictures[f"/{number}.png"] = picture(number, 32)
    return {f"p{n}": (catalogue.url(f"/{n}.png"), f"title {n}") for n in range(count)}


def next_night(
    catalogue: Catalogue, listed: dict[str, tuple[str, str]], share: int
) -> tuple[set[str], set[str]]:
    """Change `listed` and the server; returns the paths that are new, and the ids of new bytes.

    `share` each are removed, added, retitled, moved to another URL, changed at the same URL.
    """
    ids = list(listed)
    removed, retitled, moved, changed = (ids[k * share : (k + 1) * share] for k in range(4))
    paths = set()
    for id_ in removed:
        del listed[id_]
    for id_ in retitled:
        listed[id_] = (listed[id_][0], "another title")
    for id_ in moved:
        path = f"/moved/{id_}.png"
        catalogue.pictures[path] = catalogue.pictures[f"/{id_[1:]}.png"]
        listed[id_] = (catalogue.url(path), listed[id_][1])
        paths.add(path)
    for n, id_ in enumerate(changed):
        catalogue.pictures[f"/{id_[1:]}.png"] = picture(50_000 + n, 32)
    for n in range(share):
        path = f"/new{n}.png"
        catalogue.pictures[path] = picture(60_000 + n, 32)
        listed[f"new{n}"] = (catalogue.url(path), f"new {n}")
        paths.add(path)
    return paths, set(changed)
