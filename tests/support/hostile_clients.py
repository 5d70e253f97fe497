"""A process with many hostile connections to a server on loopback, of one kind.

    python hostile_clients.py KIND PORT CONNECTIONS ADDRESSES

The connections come from ADDRESSES addresses (127.0.1.1 and following) and are opened again, after
a pause, when the server has closed them. The process runs until it is ended.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

HOST = b"Host: 127.0.0.1\r\n"
PIPELINED = 200
UPLOAD = (
    b"POST /api/v1/indexes/six/search/upload HTTP/1.1\r\n" + HOST + b"Content-Type: image/png\r\n"
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header section byte by byte."""
    writer.write(b"GET /api/v1/indexes HTTP/1.1\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an upload a hundred bytes a second."""
    writer.write(UPLOAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(bytes(100))
        await writer.drain()
        await asyncio.sleep(1)


async def never_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for large answers, and read none."""
    writer.write((b"GET /api/v1/openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * PIPELINED)
    await asyncio.sleep(60)
    writer.write(b"x")
    await writer.drain()


async def pipelining(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send requests without waiting for the answers, which are read."""
    request = b"GET /api/v1/indexes/six/search?id=1 HTTP/1.1\r\n" + HOST + b"\r\n"
    while True:
        writer.write(request * PIPELINED)
        read = 0
        while read < PIPELINED:
            part = await reader.read(65_536)
            if not part:
                return
            read += part.count(b"HTTP/1.1 ")


async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header section, a body or very many chunks without end."""
    which = random.randrange(3)
    if which == 0:
        writer.write(b"GET / HTTP/1.1\r\n" + HOST)
        piece = b"X-Header: " + b"y" * 1000 + b"\r\n"
    elif which == 1:
        writer.write(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + bytes(65_536) + b"\r\n"
    else:
        writer.write(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"1\r\nA\r\n" * 10_000
    while True:
        writer.write(piece)
        await writer.drain()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a valid search, and reset the connection."""
    writer.write(b"GET /api/v1/indexes/six/search?id=1 HTTP/1.1\r\n" + HOST + b"\r\n")
    await writer.drain()
    await asyncio.sleep(random.uniform(0, 0.05))
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


KINDS: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
    each.__name__: each for each in (slow_head, slow_body, never_reading, pipelining, huge, reset)
}


async def _again_and_again(kind: str, port: int, address: str) -> None:
    while True:
        await asyncio.sleep(random.uniform(0.5, 2.0))
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.bind((address, 0))
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=connection)
        except OSError:
            connection.close()
            continue
        if kind == "never_reading":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await KINDS[kind](reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()


async def _main(kind: str, port: int, count: int, addresses: int) -> None:
    own = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(addresses)]
    await asyncio.gather(*(_again_and_again(kind, port, own[n % addresses]) for n in range(count)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], *map(int, sys.argv[2:])))
