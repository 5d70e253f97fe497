"""Servers as they are found, through the real command: what is asked for, and what is taken."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from support.commands import run_here
from support.pictures import file_of, photograph
from support.servers import RawServer, response

PICTURE = file_of(photograph(), "JPEG")
SIGNED = ("/50%-off/red%20shoe/1.jpg", "/2.jpg?w=100%&n=a%20b", "/3.jpg?sig=a%2fb%2Fc%3d", "/%7e")


def _answer(head: bytes) -> bytes:
    """Answer by the target: each is one habit of servers."""
    target = head.split(b" ")[1].decode("latin-1")
    whole = response("200 OK", PICTURE)
    last = len(PICTURE) - 1
    answers = {
        "/early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole,
        "/203": response("203 Non-Authoritative Information", PICTURE),
        "/206": response("206 Partial", PICTURE, f"Content-Range: bytes 0-{last}/{last + 1}"),
        "/half": response("206 Partial", PICTURE, f"Content-Range: bytes 0-{last}/{last + 9}"),
        "/latin-1": b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /b\xfccher\r\n\r\n",
        "/utf-8": b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /b\xc3\xbccher\r\n\r\n",
    }
    if target == "/cookie" and b"seen=1" not in head:
        return response("302 Found", b"", "Location: /cookie", "Set-Cookie: seen=1; Path=/")
    return answers.get(target, whole)


HABITS = ("/early-hints", "/203", "/206", "/latin-1", "/utf-8", "/cookie")


def _build(folder: Path, urls: list[str], status: int = 0) -> str:
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["url"], *([url] for url in urls)])
    index, source = folder / "index", folder / "list.csv"
    return run_here(
        "build-index", index, source, "--model", "phash", "--retries", "0", status=status
    )


def test_habits_of_servers(tmp_path: Path) -> None:
    with RawServer(_answer) as server:
        said = _build(tmp_path, [server.url(path) for path in (*HABITS, "/half")], status=3)
        assert f"{len(HABITS)} added, 1 failed" in said
        lines = run_here("failures", tmp_path / "index", "-f", "jsonl").splitlines()
        assert [json.loads(line)["id"] for line in lines if line[:1] == "{"] == [
            server.url("/half")
        ]


def test_signed_urls_are_asked_for_as_they_are_written(tmp_path: Path) -> None:
    with RawServer(_answer) as server:
        assert "4 added" in _build(tmp_path, [server.url(path) for path in SIGNED])
        assert sorted(server.targets) == sorted(SIGNED)


def test_a_server_that_closes_without_a_word(tmp_path: Path) -> None:
    with RawServer(_answer, close_after=0.01) as server:
        assert "60 added." in _build(tmp_path, [server.url(f"/{n}.jpg") for n in range(60)])
