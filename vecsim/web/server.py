"""Runs the server: opens the indexes, loads each model once, listens, and shuts down cleanly."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vecsim.engines.engine import WorkOptions
from vecsim.engines.serving import PictureRenderer, RequestEmbedder
from vecsim.errors import ModelError, UsageError, VecsimError
from vecsim.fetch import FetchOptions
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.operations import maintenance
from vecsim.operations.index_settings import load_index_model
from vecsim.operations.requests import ModelChoice
from vecsim.records import Fingerprint
from vecsim.web.app import create_app
from vecsim.web.index_service import IndexService
from vecsim.web.options import ServeOptions

log = logging.getLogger(__name__)

_BACKLOG = 256


def serve(
    paths: Sequence[Path],
    options: ServeOptions,
    *,
    weights: Path | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the indexes at `paths` until SIGTERM or Ctrl-C; calls `ready` with the server's URL.

    Raises `VecsimIndexError` (an index cannot be opened), `UsageError` (two indexes of one name, or
    proxies with the guard against private addresses), `VecsimError` (the port is in use).
    """
    names = index_names(paths)
    with ExitStack() as stack:
        # First, because loading a model takes seconds and the port may be in use.
        listener = stack.enter_context(_listen(options.host, options.port))
        renderer = _open_renderer(options)
        stack.callback(renderer.close)
        embedders: dict[Fingerprint, RequestEmbedder | None] = {}
        indexes = {}
        for name, path in names.items():
            fingerprint = maintenance.info(path).fingerprint
            if fingerprint not in embedders:
                loaded = embedders[fingerprint] = _load_embedder(path, weights, options)
                if loaded is not None:
                    stack.callback(loaded.close)
            service = IndexService(name, path, fingerprint, embedders[fingerprint], renderer)
            indexes[name] = service
            stack.callback(service.close)
        config = uvicorn.Config(
            create_app(indexes, options),
            http=limited_protocol(options.header_seconds, options.max_connections),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            h11_max_incomplete_event_size=32_768,
            timeout_graceful_shutdown=int(options.stop_seconds),
        )
        # uvicorn would log a warning for every request that is not HTTP.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = _Server(config, lambda: ready(_url(options.host, listener)))
        asyncio.run(server.serve(sockets=[listener]))


def index_names(paths: Sequence[Path]) -> dict[str, Path]:
    """The index folders by the name in their URLs; raises `UsageError` if two are equal."""
    names: dict[str, Path] = {}
    for path in paths:
        name = path.resolve().name
        if name in names:
            raise UsageError(
                f"{path} and {names[name]}: both are called {name!r}. Rename one of the folders."
            )
        names[name] = path
    return names


def _load_embedder(
    path: Path, weights: Path | None, options: ServeOptions
) -> RequestEmbedder | None:
    """Load the model of the index at `path`; None if it cannot be loaded."""
    work = _work_options(options)
    try:
        with Snapshot(path) as snapshot:
            embedder = load_index_model(path, snapshot, ModelChoice(weights=weights), work)
    except ModelError as error:
        log.warning("%s The index can be searched by id only.", error)
        return None
    try:
        return RequestEmbedder(embedder, work, thumbnails=options.allow_writes)
    except UsageError as error:
        raise UsageError(error.message, hint=Hint(Action.ALLOW_PRIVATE)) from error


def _open_renderer(options: ServeOptions) -> PictureRenderer:
    try:
        return PictureRenderer(_work_options(options))
    except UsageError as error:
        raise UsageError(error.message, hint=Hint(Action.ALLOW_PRIVATE)) from error


def _work_options(options: ServeOptions) -> WorkOptions:
    """How the server fetches and decodes pictures."""
    fetch = FetchOptions(
        connect_timeout=min(5.0, options.fetch_seconds),
        read_timeout=min(10.0, options.fetch_seconds),
        deadline=options.fetch_seconds,
        max_bytes=options.max_bytes,
        retries=1,
        public_only=not options.allow_private,
    )
    return WorkOptions(fetch=fetch)


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """Open a listening socket; raises `VecsimError`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VecsimError(
            f"{host} port {port}: cannot listen there ({reason}).", hint=Hint(Action.CHOOSE_PORT)
        ) from error
    with listener:
        # Accepted connections inherit this option. asyncio sets it only on sockets whose protocol
        # number is given; without it, Nagle's algorithm delays the body of each response by 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/"


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it is ready and ends with status 0 after a signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections, then call `ready`."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Shut down gracefully at the first signal, immediately at the second."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


# -- connections --------------------------------------------------------------------------------

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class LimitedProtocol(H11Protocol):
    """An HTTP/1.1 connection with a time limit on request headers and on idle clients.

    uvicorn itself waits without limit for request headers, and for a client that does not read the
    response.
    """

    header_seconds = 10.0
    max_connections = 512

    _header_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: Any) -> None:
        """Start the header timer, or refuse the connection with status 503."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refused = True
            transport.write(_BUSY)
            transport.close()
            return
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the header timer."""
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request; the timer runs until its headers are complete."""
        if self._refused:
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            if self._header_timer is None:
                self._start_header_timer()
        else:
            self._stop_header_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; abort it later if its client does not read the response."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.header_seconds, self._abort)

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._abort)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _abort(self) -> None:
        self.transport.abort()


def limited_protocol(header_seconds: float, max_connections: int) -> type[LimitedProtocol]:
    """The protocol class with these limits; uvicorn takes a class, not an object."""
    limits = {"header_seconds": header_seconds, "max_connections": max_connections}
    return type("LimitedProtocol", (LimitedProtocol,), limits)
