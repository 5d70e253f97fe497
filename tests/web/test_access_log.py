"""The access log: one line a request, without secrets and control characters."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from support.web_server import raw, serving
from vecsim.render.log_lines import LogLines
from vecsim.web.access_log import LineWriter, access_log, shown_target, writing_access_log

TOKEN = "a-token-of-16-chars"


def shown(target: str, token: str | None = None) -> str:
    path, _, query = target.partition("?")
    scope = {"path": path, "raw_path": path.encode(), "query_string": query.encode()}
    return shown_target(scope, token)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/i/six?id=1&k=5", "/i/six?id=1&k=5"),
        ("/i/six?token=abc&id=1", "/i/six?token=***&id=1"),
        ("/i/six?API%5FKEY=abc", "/i/six?API%5FKEY=***"),
        ("/x?X-Amz-Signature=dead&sig=1&key=2", "/x?X-Amz-Signature=***&sig=***&key=***"),
        ("/x?monkey=1&design=2&keyword=3", "/x?monkey=1&design=2&keyword=3"),
        ("/x?id=https%3A%2F%2Fu%3Ap%40h%2F1.jpg", "/x?id=https://h/1.jpg"),
        ("/x?id=https%3A%2F%2Fh%2F1.jpg%3Fsig%3D1%26w%3D2", "/x?id=https://h/1.jpg?sig=***&w=2"),
        ("/login?next=%2Fi%2Fsix%3Ftoken%3Dabc", "/login?next=/i/six?token=***"),
        (f"/x?q={TOKEN}", "/x?q=***"),
    ],
)
def test_targets_are_shown_without_secrets(target: str, expected: str) -> None:
    assert shown(target, TOKEN) == expected


def test_urls_inside_of_urls_end_somewhere_and_long_ones_are_cut() -> None:
    nested = "token=abc"
    for _ in range(9):
        nested = f"u={quote(f'https://h/?{nested}', safe='')}"
    assert "abc" not in shown(f"/x?{nested}")
    assert len(shown("/" + "a" * 30_000)) < 2_100


def test_a_line_has_no_control_characters_in_any_format() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "msg": "a\nb\x1b[2J\u202e", "facts": {"agent": "c\r\nd\x1b\u2028", "n": 3}}
    )
    text = LogLines("text", "run-1").format(record)
    assert text.isprintable() and "run=run-1" in text
    assert r"a\nb\x1b[2J\u202e" in text
    line = LogLines("json", "run-1").format(record)
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["agent"] == "c\r\nd\x1b\u2028"


@pytest.mark.ci
def test_serve_writes_a_json_line_for_each_request(built: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    options = ["--port", "0", "--token", TOKEN, "--access-log", str(file), "--log-format", "json"]
    with serving(command=["-m", "vecsim", "serve", str(built), *options]) as server:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        server.client.get(server.api("indexes"), headers=bearer)
        server.client.get(f"{server.url}i/six?token={TOKEN}", headers=bearer)
        raw(
            server,
            f"GET /i/%1b[2J?a=%0a HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: \u00e9 {TOKEN}\r\n"
            "Connection: close\r\n\r\n".encode(),
        )
        assert server.end() == 0
    text = file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert TOKEN not in text
    assert [line["status"] for line in lines] == [200, 200, 303]
    assert [line["target"] for line in lines[:2]] == ["/api/v1/indexes", "/i/six?token=***"]
    assert {line["run"] for line in lines} == {lines[0]["run"]}
    assert lines[0]["method"] == "GET" and lines[0]["client"] == "127.0.0.1"
    assert lines[0]["bytes"] > 100 and 0 < lines[0]["seconds"] < 30
    assert "\x1b" not in text


def test_a_renamed_file_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    with writing_access_log(file, LogLines("text", "r")):
        access_log.info("one")
        while not file.stat().st_size:
            threading.Event().wait(0.01)
        os.rename(file, tmp_path / "access.log.1")
        access_log.info("two")
    assert "one" in (tmp_path / "access.log.1").read_text()
    assert file.read_text().endswith("two\n")


def test_a_full_disk_drops_lines_and_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    writer = LineWriter(logging.FileHandler("/dev/full"))
    for number in range(20):
        writer.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    writer.close()
    assert writer.dropped == 20
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_stopped_holds_up_no_request() -> None:
    goes_on = threading.Event()

    class Stuck(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            goes_on.wait()

    writer = LineWriter(Stuck())
    for number in range(12_000):  # ten thousand lines wait
        writer.handle(logging.makeLogRecord({"msg": f"{number}"}))
    assert 1_990 <= writer.dropped <= 2_000
    goes_on.set()
    writer.close()
