"""Runs the server: opens the indexes, loads each model once, listens, and ends in good order."""

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

from vecsim.engines.live import LiveEngine
from vecsim.engines.options import WorkOptions
from vecsim.errors import ModelError, UsageError, VecsimError
from vecsim.fetch import FetchOptions
from vecsim.index import Snapshot
from vecsim.operations import care
from vecsim.operations.own_model import open_embedder
from vecsim.records import Fingerprint
from vecsim.web.app import create_app
from vecsim.web.options import ServeOptions
from vecsim.web.protocol import patient_protocol
from vecsim.web.served import ServedIndex

log = logging.getLogger(__name__)

_BACKLOG = 256


def serve(
    paths: Sequence[Path],
    options: ServeOptions,
    *,
    weights: Path | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the indexes at `paths` until SIGTERM or Ctrl-C; `ready` is told the address.

    Raises `IndexMissingError` and its kin, `UsageError` (two of one name, proxies), `VecsimError`
    (the address is taken).
    """
    names = names_of(paths)
    with ExitStack() as stack:
        # Taken first: nobody should wait for a model to hear that the port is taken.
        listener = stack.enter_context(_listen(options.host, options.port))
        engines: dict[Fingerprint, LiveEngine | None] = {}
        indexes = {}
        for name, path in names.items():
            fingerprint = care.info(path).fingerprint
            if fingerprint not in engines:
                engine = engines[fingerprint] = _engine(path, weights, options)
                if engine is not None:
                    stack.callback(engine.close)
            indexes[name] = served = ServedIndex(name, path, fingerprint, engines[fingerprint])
            stack.callback(served.close)
        config = uvicorn.Config(
            create_app(indexes, options),
            http=patient_protocol(options.header_seconds, options.max_connections),
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
        # It warns of every request that is not HTTP: the client's trouble, and endless.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        server = _Server(config, lambda: ready(_url(options.host, listener)))
        asyncio.run(server.serve(sockets=[listener]))


def names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """The folders by their names, under which they are served. Raises `UsageError`."""
    names: dict[str, Path] = {}
    for path in paths:
        name = path.resolve().name
        if name in names:
            raise UsageError(
                f"{path} and {names[name]}: both are called {name!r}. Rename one of the folders."
            )
        names[name] = path
    return names


def _engine(path: Path, weights: Path | None, options: ServeOptions) -> LiveEngine | None:
    """The model of the index at `path`, at work; None where it cannot be had."""
    fetch = FetchOptions(
        connect_timeout=min(5.0, options.fetch_seconds),
        read_timeout=min(10.0, options.fetch_seconds),
        deadline=options.fetch_seconds,
        max_bytes=options.max_bytes,
        retries=1,
        public_only=not options.allow_private,
    )
    work = WorkOptions(fetch=fetch)
    try:
        with Snapshot(path) as snapshot:
            embedder = open_embedder(path, snapshot, weights, work)
    except ModelError as error:
        log.warning("%s It is searched by id only.", error)
        return None
    try:
        return LiveEngine(embedder, work, thumbnails=options.allow_writes)
    except UsageError as error:
        raise UsageError(
            f"{error.message} Unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or use "
            "--allow-private if whoever can reach this server may reach what the proxy reaches."
        ) from error


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises `VecsimError`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VecsimError(
            f"{host} port {port}: cannot listen there ({reason}). Choose another --port, or "
            f"--port 0 for any that is free."
        ) from error
    with listener:
        # Connections inherit it. asyncio sees to it only for sockets that name their protocol, and
        # without it the second part of each answer waits 40 ms for the receipt of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/"


class _Server(uvicorn.Server):
    """uvicorn, told apart in how it begins and ends: a signal is a request, not an error."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order at the first signal, at once at the second."""

        def end(number: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True

        before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
