"""The download of Keras' weights, through a real proxy and a real TLS server.

The server stands in for storage.googleapis.com: the proxy leads there, and a certificate made for
this test is trusted through SSL_CERT_FILE, as a company's own would be.
"""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.models import MODEL
from support.servers import untrusted_certificate
from vecsim.errors import ModelError, StorageError
from vecsim.models import load_embedder
from vecsim.models.keras_weights import can_download, file_sha256, keras_url


@dataclass
class Origin:
    """Files of the server by path, the most bytes it sends, and the requests it received."""

    files: dict[str, bytes] = field(default_factory=dict)
    most_bytes: int | None = None
    asked: list[str] = field(default_factory=list)


def handler_for(
    origin: Origin, context: ssl.SSLContext
) -> type[http.server.BaseHTTPRequestHandler]:
    """Make a handler that answers CONNECT as a proxy and then the requests themselves."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            origin.asked.append(f"{self.command} {self.path}")
            content = origin.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET" and content is not None:
                self.wfile.write(content[: origin.most_bytes])
            self.close_connection = True

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    """Make a machine without weights whose downloads come from a server of this test."""
    certificate = untrusted_certificate(tmp_path, "storage.googleapis.com")
    if certificate is None:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    held = Origin()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_for(held, context))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    yield held
    server.shutdown()
    thread.join()
    server.server_close()


URL = keras_url(0.75, 224)
PATH = URL.removeprefix("https://storage.googleapis.com")


@pytest.mark.ci
def test_weights_are_downloaded_once(origin: Origin, weights: Path, tmp_path: Path) -> None:
    origin.files[PATH] = weights.read_bytes()
    assert can_download(URL, 5)
    first = load_embedder(MODEL, device="cpu")
    kept = tmp_path / "keras" / "models" / weights.name
    assert first.fingerprint.weights_sha256 == file_sha256(kept) == file_sha256(weights)
    asked = len(origin.asked)
    assert origin.asked[-1] == f"GET {PATH}"
    assert load_embedder(MODEL, device="cpu").fingerprint == first.fingerprint
    assert len(origin.asked) == asked


def test_weights_missing_on_the_server_are_reported(origin: Origin) -> None:
    assert not can_download(URL, 5)
    with pytest.raises(ModelError, match="cannot be downloaded from here"):
        load_embedder(MODEL, device="cpu")


@pytest.mark.ci
def test_an_interrupted_download_leaves_no_file_and_can_be_repeated(
    origin: Origin, weights: Path, tmp_path: Path
) -> None:
    origin.files[PATH] = weights.read_bytes()
    origin.most_bytes = 1_000_000
    with pytest.raises(ModelError, match=r"retrieval incomplete.*'bundled'") as error:
        load_embedder(MODEL, device="cpu")
    assert weights.name in str(error.value)
    assert [path for path in (tmp_path / "keras").rglob("*") if path.is_file()] == []
    origin.most_bytes = None
    assert load_embedder(MODEL, device="cpu").fingerprint.dim == 768


def test_a_keras_folder_that_cannot_be_written_is_reported(
    origin: Origin, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.files[PATH] = weights.read_bytes()
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"cannot keep mobilenet_7_5.*file.*KERAS_HOME=FOLDER"):
        load_embedder(MODEL, device="cpu")
