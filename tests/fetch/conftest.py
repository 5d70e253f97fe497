"""Fixtures of the fetching tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fetching import MakeFetcher
from support.servers import untrusted_certificate
from vecsim.fetch import FetchOptions, UrlFetcher


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def fetcher() -> Iterator[MakeFetcher]:
    """Make fetchers from options, with short waits between retries by default."""
    made: list[UrlFetcher] = []

    def make(allowed: Callable[[str], bool] | None = None, **options: object) -> UrlFetcher:
        chosen = FetchOptions(**{"backoff": 0.01, **options})  # type: ignore[arg-type]
        made.append(UrlFetcher(chosen, **({"allowed": allowed} if allowed else {})))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PEM file with a certificate for localhost, which clients trust by REQUESTS_CA_BUNDLE."""
    certificate = untrusted_certificate(tmp_path)
    if certificate is None:
        pytest.skip("no openssl command to make a certificate with")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    return certificate
