"""Whether a gRPC server answers: dead, silent and other servers are noticed in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from vecsim.engines.grpc_probe import check_answers


@contextmanager
def listening(answer: bytes | None, *, close: bool = False) -> Iterator[str]:
    """A server that answers each connection with these bytes, or with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):  # a client that leaves at once
                connection.recv(100)
                connection.sendall(answer or b"")
                while not close and connection.recv(100):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(OSError, match="refused"):
            check_answers(address)


@pytest.mark.parametrize(
    ("answer", "close", "message"),
    [
        (None, False, "timed out"),
        (b"-ERR unknown command\r\n", False, "another program"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "another program"),
        (b"\0\0", True, "closes the connection"),
    ],
)
def test_a_silent_or_another_server_is_noticed_in_time(
    answer: bytes | None, close: bool, message: str
) -> None:
    with listening(answer, close=close) as address:
        began = time.monotonic()
        with pytest.raises(OSError, match=message):
            check_answers(address, seconds=0.5)

        assert time.monotonic() - began < 5


def test_a_server_that_sends_its_settings_answers() -> None:
    settings = bytes((0, 0, 6, 4, 0, 0, 0, 0, 0)) + bytes(6)
    with listening(settings) as address:
        check_answers(f"ray://{address}/")
    with listening(settings) as address:
        check_answers(address, tls=True)


def test_addresses_of_another_kind_are_left_to_ray() -> None:
    for address in ("local", "auto", "anyscale://cluster", "host:99999", "host"):
        check_answers(address)
