"""/healthz, /readyz and /metrics, which Prometheus' own parser reads."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.web_server import PICTURES, Server, serving

TOKEN = "a-token-of-this-test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def missing() -> None:
    """Skip, saying why; fail where VECSIM_REQUIRE names metrics, as in CI."""
    if "metrics" in os.environ.get("VECSIM_REQUIRE", "").split(","):
        pytest.fail("prometheus-client is not installed")
    pytest.skip("prometheus-client is not installed (pip install 'vecsim[metrics]')")


def samples(answer: httpx.Response) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples of an answer, read by the parser of its format."""
    if "openmetrics" in answer.headers["content-type"]:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
    else:
        from prometheus_client.parser import text_string_to_metric_families as parse
    found: dict[Any, float] = {}
    for family in parse(answer.text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    return found[f"vecsim_{name}", frozenset(labels.items())]


@pytest.fixture
def watched(copy: Path, vectors: Path) -> Iterator[Server]:
    """A server with a token of two indexes, one of which the test may change."""
    with serving(copy, vectors, token=TOKEN, allow_writes=True) as server:
        yield server


def test_metrics_have_requests_latencies_queues_and_indexes(watched: Server) -> None:
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        missing()
    client, url = watched.client, f"{watched.url}metrics"
    assert client.get(url).status_code == 401
    for _ in range(3):
        client.get(watched.api("indexes/six/search?id=1"), headers=BEARER)
    client.get(watched.api("indexes/six/search?id=nobody"), headers=BEARER)
    client.get(f"{watched.url}no/such/page/of-a-stranger", headers=BEARER)

    for accept in ("text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"):
        answer = client.get(url, headers={**BEARER, "Accept": accept})
        assert answer.headers["content-type"].startswith(accept.partition(";")[0])
        found = samples(answer)
        route = "/api/v1/indexes/{index}/search"
        assert value(found, "http_requests_total", method="GET", route=route, status="200") == 3
        assert value(found, "http_request_duration_seconds_count", route=route) == 4
        assert value(found, "http_errors_total", kind="unknown-id") == 1
        assert value(found, "http_requests_in_progress") == 1
        assert value(found, "http_requests_waiting") == 0
        assert value(found, "connections") >= 1
        assert value(found, "index_images", index="six") == 7
        assert value(found, "index_images", index="vectors") == 300
        assert value(found, "index_failures", index="six", kind="no-file") == 1
        assert value(found, "index_generation", index="six") == 1
        assert "of-a-stranger" not in answer.text

    client.request("DELETE", watched.api("indexes/six/images?id=2"), headers=BEARER)
    found = samples(client.get(url, headers=BEARER))
    assert value(found, "index_images", index="six") == 6
    assert value(found, "index_generation", index="six") == 2


def test_probes_need_no_token_and_any_host_may_ask(watched: Server, copy: Path) -> None:
    for path in ("healthz", "readyz"):
        answer = watched.client.get(f"{watched.url}{path}", headers={"Host": "10.0.0.7:8470"})
        assert answer.status_code == 200
    assert watched.client.get(watched.url, headers={"Host": "10.0.0.7"}).status_code == 400

    shutil.rmtree(copy)
    assert watched.client.get(f"{watched.url}healthz").status_code == 200
    answer = watched.client.get(f"{watched.url}readyz")
    assert answer.status_code == 503
    assert answer.json()["kind"] == "not-ready"
    assert "1 of 2 indexes" in answer.json()["detail"] and "six" not in answer.text


@pytest.mark.ci
def test_without_the_package_metrics_say_how_to_install_it(built: Path) -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from vecsim.cli import main; main(sys.argv[1:])"
    )
    with serving(command=["-c", code, "serve", str(built), "--port", "0"]) as server:
        answer = server.client.get(f"{server.url}metrics")
        assert (answer.status_code, answer.json()["kind"]) == (404, "no-metrics")
        assert "vecsim[metrics]" in answer.json()["advice"]
        picture = (PICTURES / "1.jpg").read_bytes()
        assert server.search("six", picture)["matches"][0]["id"] == "1"
    assert sys.modules.get("prometheus_client", 1) is not None
