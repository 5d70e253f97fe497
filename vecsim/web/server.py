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

import uvicorn

from vecsim.decode import DecodeLimits
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
from vecsim.web.app import Application, create_app
from vecsim.web.connection_limits import ConnectionLimits
from vecsim.web.connections import limited_protocol
from vecsim.web.index_service import IndexService
from vecsim.web.options import ServeOptions

log = logging.getLogger(__name__)

_BACKLOG = 256
"""Connections that wait to be accepted. With more of them, honest ones wait behind hostile ones."""

_SEND_BUFFER = 131_072
"""Bytes that the system keeps of what a client has not taken; by itself it would keep megabytes."""


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
            service = IndexService(
                name, path, fingerprint, embedders[fingerprint], renderer, options.root_path
            )
            indexes[name] = service
            stack.callback(service.close)
        app = create_app(indexes, options)
        limits = _connection_limits(options, app)
        app.connections = lambda: (limits.counts.total(), limits.refused)
        config = uvicorn.Config(
            app.asgi,
            http=limited_protocol(limits),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(options.trusted_proxies),
            forwarded_allow_ips=list(options.trusted_proxies),
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
        names[name] = path.absolute()  # what messages have instead of a name: see `problems`
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
    return WorkOptions(fetch=fetch, limits=DecodeLimits(deadline=options.decode_seconds))


def _connection_limits(options: ServeOptions, app: Application) -> ConnectionLimits:
    return ConnectionLimits(
        options.header_seconds,
        options.write_seconds,
        total=options.max_connections,
        per_client=options.max_client_connections,
        proxies=options.trusted_proxies,
        admits=app.admits,
    )


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
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
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
