"""Finds out in seconds whether a gRPC server, such as the head of a Ray cluster, answers."""

from __future__ import annotations

import socket
import time

PROBE_SECONDS = 8.0
"""How long a server may take to answer the first bytes."""

# What a client of HTTP/2 sends first, with empty settings. Every gRPC server answers at once with a
# frame of its own settings: length (3 bytes), type 4, flags, stream (RFC 9113, sections 3.4, 6.5).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4
_FRAME_HEAD = 9


def check_answers(address: str, *, tls: bool = False, seconds: float = PROBE_SECONDS) -> None:
    """Raise OSError unless a gRPC server answers at `address` within `seconds`.

    `address`: HOST:PORT, also after a scheme such as `ray://`; nothing is checked of other text.
    `tls`: only that something takes connections is checked.
    """
    host, colon, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 0xFFFF or "/" in host:
        return
    end = time.monotonic() + seconds
    with socket.create_connection((host.strip("[]"), int(port)), seconds) as connection:
        if not tls:
            connection.sendall(_PREFACE)
            _check_settings(connection, end)


def _check_settings(connection: socket.socket, end: float) -> None:
    """Read the head of the first frame. Raises OSError if it is not one of settings, or late."""
    head = b""
    while len(head) < _FRAME_HEAD:
        connection.settimeout(max(0.01, end - time.monotonic()))
        part = connection.recv(_FRAME_HEAD - len(head))
        if not part:
            raise OSError("it closes the connection")
        head += part
    if head[3] != _SETTINGS:
        raise OSError("another program answers there")
