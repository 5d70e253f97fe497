"""The API conforms to its OpenAPI document, for valid and invalid requests (schemathesis)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import HostileServer, good
from support.web_server import PICTURES, Server, environment, serving
from vecsim.operations.building import build_index
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import ImageRef

DOCS = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"

# `unsupported_method` is of schemathesis' own making and tested in test_malformed_requests.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def fuzzed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with writes allowed and a short time limit for downloads."""
    path = shutil.copytree(built, tmp_path_factory.mktemp("fuzzed") / "six")
    with serving(path, allow_writes=True, fetch_seconds=1) as server:
        yield server


def _fuzz(
    server: Server,
    phases: str,
    examples: int,
    folder: Path,
    *,
    allowed: frozenset[str] = frozenset(),
) -> None:
    """Run the command of schemathesis on every operation."""
    options = {"--checks": ",".join(CHECKS), "--phases": phases, "--max-examples": str(examples)}
    options |= {"--mode": "all", "--seed": "3", "--suppress-health-check": "all"}
    command = [sys.executable, "-m", "schemathesis.cli", "run", server.api("openapi.json")]
    ran = subprocess.run(
        [*command, *(word for option in options.items() for word in option)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=1800,
    )
    found = set(re.findall(r"^ +(?:❌|🚫) (ST\d+ .+|.+ Error): \d+$", ran.stdout, re.MULTILINE))
    said = ran.stdout[-9000:] + ran.stderr[-3000:]
    assert found <= allowed, said
    assert (ran.returncode == 0) == (not found), said
    assert server.alive()


@pytest.mark.ci
def test_generated_requests_conform_to_the_document(fuzzed: Server, tmp_path: Path) -> None:
    _fuzz(fuzzed, "examples,fuzzing", 5, tmp_path)


@pytest.mark.slow
def test_many_generated_requests_conform_to_the_document(fuzzed: Server, tmp_path: Path) -> None:
    # The server closes the connection while a header section over 32 KiB is still being sent;
    # schemathesis reports that as a network error.
    phases = "examples,coverage,fuzzing,stateful"
    _fuzz(fuzzed, phases, 200, tmp_path, allowed=frozenset({"Network Error"}))


# -- docs/http-api.md ------------------------------------------------------------------------------


def _examples() -> list[tuple[str, str | None]]:
    """The commands of the page, each with the JSON block below it, or None."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    return [
        (
            text,
            blocks[at + 1][1] if blocks[at + 1 : at + 2] and blocks[at + 1][0] == "json" else None,
        )
        for at, (kind, text) in enumerate(blocks)
        if kind == "sh"
    ]


@pytest.mark.ci
def test_examples_of_the_page_return_what_it_shows(tmp_path: Path) -> None:
    def local(text: str) -> str:
        text = text.replace("https://shop.example", shop.url("").rstrip("/"))
        return text.replace("http://127.0.0.1:8470/", server.url)

    (tmp_path / "photo.jpg").write_bytes((PICTURES / "1.jpg").read_bytes())
    routes = {f"/{path.name}": good(path.read_bytes()) for path in PICTURES.iterdir()}
    titles = {"1": "lake", "3": "lake, cut"}
    with HostileServer(routes) as shop:
        refs = [ImageRef(id_, shop.url(f"/{id_}.jpg"), {"title": titles[id_]}) for id_ in titles]
        build_index(tmp_path / "shop", refs, RunOptions(ModelChoice("phash")))
        with serving(tmp_path / "shop", allow_writes=True, allow_private=True) as server:
            examples = _examples()
            assert len(examples) == 7
            for command, expected in examples:
                words = shlex.split(local(command).replace("\\\n", " "))
                assert words[0] == "curl"
                ran = subprocess.run(
                    words, capture_output=True, check=True, cwd=tmp_path, env=environment()
                )
                answer = json.loads(ran.stdout)
                if expected is None:
                    assert answer["matches"], answer
                else:
                    assert answer == json.loads(local(expected))
            paths = re.findall(r"\| `GET (\S+)` \|", DOCS.read_text(encoding="utf-8"))
            assert len(paths) == 10
            for path in paths:
                assert server.client.get(server.url.rstrip("/") + path).status_code == 200, path


def test_every_operation_documents_its_errors(reader: Server) -> None:
    document = reader.client.get(reader.api("openapi.json")).json()
    assert document["info"]["description"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"] and operation["description"], (method, path)
            statuses = operation["responses"].keys()
            assert {"200", "422", "503"} <= statuses, (method, path)
            for status, response in operation["responses"].items():
                if status != "200":
                    assert "application/problem+json" in response["content"], (path, status)
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    assert parameter["schema"]["enum"] == ["six", "vectors"]
