"""From URL to pixels: each hostile behaviour of a server ends in the right kind of failure."""

import io
import random
from collections import Counter
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from support.fetching import MakeFetcher
from support.servers import (
    CASES,
    HostileServer,
    good,
    hostile_routes,
    in_turn,
    reset_midway,
    status,
)
from vecsim.decode import DecoderPool
from vecsim.errors import FAILURE_KINDS, ImageError
from vecsim.fetch import FetchPool
from vecsim.protocols import Preparation
from vecsim.records import Fetched

SQUARE = Preparation(32, "nearest")


@pytest.fixture(scope="module")
def image() -> bytes:
    coarse = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).save(stream, "JPEG")
    return stream.getvalue()


def failure_kind(future: Future[Fetched], pool: DecoderPool) -> str | None:
    """Return the kind of failure, or None if the picture was decoded."""
    try:
        pool.submit(future.result(30).data).result(30)
    except ImageError as error:
        assert error.kind in FAILURE_KINDS
        return error.kind
    return None


@pytest.mark.ci
def test_each_hostile_behaviour_ends_in_its_kind_of_failure(
    fetcher: MakeFetcher, image: bytes
) -> None:
    one = fetcher(read_timeout=0.8, deadline=2.5, max_bytes=20_000_000, retries=1)
    decoders, pool = DecoderPool(1, SQUARE), FetchPool(one)
    with HostileServer(hostile_routes(image)) as server, decoders, pool:
        futures = {path: pool.submit(server.url(path)) for path in CASES}
        kinds = {path: failure_kind(future, decoders) for path, future in futures.items()}
    assert kinds == dict(CASES)


@pytest.mark.ci
def test_exactly_the_planted_failures_among_many_urls(fetcher: MakeFetcher, image: bytes) -> None:
    """1,500 URLs of one host, a tenth of which fail: too few in a row to give the host up."""
    chance = random.Random(5)
    faults = {
        "http": status(404),
        "connect": reset_midway(image),
        "truncated": good(image[: len(image) // 2]),
        "not-an-image": good(b"<html>"),
        "too-large": good(bytes(200_000)),
    }
    routes, planted = {}, Counter[str | None]()
    for number in range(1500):
        kind = chance.choice(list(faults)) if chance.random() < 0.1 else None
        routes[f"/{number}"] = faults[kind] if kind else good(image)
        planted[kind] += 1
    routes["/7"], routes["/8"] = (
        in_turn(status(503), good(image)),
        in_turn(status(500), good(image)),
    )
    one = fetcher(max_bytes=100_000)
    decoders, pool = DecoderPool(2, SQUARE), FetchPool(one)
    with HostileServer(routes) as server, decoders, pool:
        futures = [pool.submit(server.url(path)) for path in routes]
        kinds = Counter(failure_kind(future, decoders) for future in futures)
        assert server.seen.peak <= 8
    assert kinds == planted
