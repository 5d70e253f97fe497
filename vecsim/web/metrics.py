"""Metrics of the server for Prometheus. Needs the extra `metrics` (prometheus-client)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from vecsim.web.observation import IndexState, Served, ServerState

disable_created_metrics()  # the time at which each series began would double their number

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bounds of the buckets of latencies: from a thumbnail to the longest search by URL."""


class Metrics:
    """Counts requests, and writes all metrics in the formats of Prometheus."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._requests = Counter(
            "vecsim_http_requests",
            "Requests by method, route and status; status 0: the client left.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._latencies = Histogram(
            "vecsim_http_request_duration_seconds",
            "Time from the header section of a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._errors = Counter(
            "vecsim_http_errors",
            "Requests that failed, by the kind of error.",
            ["kind"],
            registry=self._registry,
        )
        self._bytes = Counter(
            "vecsim_http_response_bytes", "Bytes of answers.", registry=self._registry
        )

    def record(self, served: Served) -> None:
        """Count a request."""
        self._requests.labels(served.method, served.route, str(served.status)).inc()
        self._latencies.labels(served.route).observe(served.seconds)
        self._bytes.inc(served.byte_count)
        if served.kind:
            self._errors.labels(served.kind).inc()

    def exposition(
        self, accept: str, server: ServerState, indexes: Mapping[str, IndexState | None]
    ) -> tuple[bytes, str]:
        """Return all metrics, and their media type, in the format that `accept` asks for.

        `indexes`: what each index holds by its name; None for one that cannot be read.
        """
        encode, media_type = choose_encoder(accept)
        snapshot = _Snapshot([*_server_metrics(self._version, server), *_index_metrics(indexes)])
        return encode(_Union(self._registry, snapshot)), media_type


class _Snapshot:
    """Metrics that are known when they are asked for."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families


class _Union:
    """The metrics of several collectors."""

    def __init__(self, *collectors: Any) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Any]:
        for each in self._collectors:
            yield from each.collect()


def _server_metrics(version: str, server: ServerState) -> Iterator[Any]:
    build = GaugeMetricFamily("vecsim_build_info", "The version of vecsim.", labels=["version"])
    build.add_metric([version], 1)
    yield build
    for name, about, value in (
        ("vecsim_http_requests_in_progress", "Requests in progress.", server.in_progress),
        ("vecsim_http_requests_waiting", "Requests that wait for their turn.", server.waiting),
        (
            "vecsim_picture_requests_in_progress",
            "Requests in progress that wait for a picture or a thread.",
            server.pictures,
        ),
        ("vecsim_connections", "Open connections.", server.connections),
        ("vecsim_event_loop_lag_seconds", "How late the event loop runs.", server.lag),
    ):
        yield GaugeMetricFamily(name, about, value=value)
    yield CounterMetricFamily(
        "vecsim_connections_refused", "Connections refused.", value=server.refused
    )
    yield CounterMetricFamily(
        "vecsim_access_log_lines_dropped",
        "Lines of the access log that could not be written.",
        value=server.dropped_lines,
    )


def _index_metrics(indexes: Mapping[str, IndexState | None]) -> Iterator[Any]:
    def gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"vecsim_index_{name}", about, labels=["index", *labels])

    up = gauge("up", "Whether the index can be read.")
    images = gauge("images", "Images of the index.")
    failures = gauge("failures", "Images that could not be loaded, by kind.", "kind")
    segments = gauge("segments", "Segment files.")
    size = gauge("size_bytes", "Bytes of all files of the index.")
    generation = gauge("generation", "Number of the commit that is served.")
    for name, state in indexes.items():
        up.add_metric([name], state is not None)
        if state is None:
            continue
        images.add_metric([name], state.images)
        segments.add_metric([name], state.segments)
        size.add_metric([name], state.byte_count)
        generation.add_metric([name], state.generation)
        for kind, count in sorted(state.failures.items()):
            failures.add_metric([name, kind], count)
    yield from (up, images, failures, segments, size, generation)
