"""Decodes files made to break decoders, and real images damaged at random, in the pool."""

import resource
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

import pytest

from support.mutants import mutants
from vecsim.decode import DecodeLimits, DecoderPool
from vecsim.errors import FAILURE_KINDS, ImageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

KINDS = {"not-an-image", "unsupported-format", "too-large", "truncated", "damaged", "crashed"}
LIMITS = DecodeLimits(max_pixels=50_000_000, deadline=20.0, memory=600 << 20)
Outcomes = Counter[str]


def outcome(future: Future[Decoded]) -> str:
    error = future.exception(120)
    if error is None:
        assert future.result().pixels.shape == (64, 64, 3)
        return "ok"
    assert isinstance(error, ImageError)
    assert error.kind in KINDS <= set(FAILURE_KINDS)
    assert error.message
    return error.kind.value  # plain text: pytest-xdist sends it between processes


def outcomes(files: Iterable[bytes], limits: DecodeLimits = LIMITS) -> Outcomes:
    """Decode `files`, at most 32 at a time; counts the outcomes and checks the memory used."""
    counts: Outcomes = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with DecoderPool(2, Preparation(64, "smooth"), limits) as pool:
        waiting: deque[Future[Decoded]] = deque()
        for data in files:
            waiting.append(pool.submit(data))
            if len(waiting) > 32:
                counts[outcome(waiting.popleft())] += 1
        counts.update(outcome(future) for future in waiting)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000, f"the parent grew by {grown} kB"
    return counts


@pytest.fixture(scope="module")
def hostile(shared: Path) -> list[bytes]:
    folder = shared / "hostile-images"
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[Outcomes], None]:
    """Keep a table of outcomes with the test's results (`-s` shows it)."""

    def keep(counts: Outcomes) -> None:
        record_property("outcomes", dict(counts))
        width = max(map(len, counts))
        print(*(f"\n{kind:{width}} {count:6}" for kind, count in counts.most_common()))

    return keep


@pytest.mark.ci
def test_hostile_images_end_in_a_picture_or_a_failure(
    hostile: list[bytes], report: Callable[[Outcomes], None]
) -> None:
    counts = outcomes(hostile)
    report(counts)
    assert counts.total() == len(hostile) > 700
    assert counts["ok"] > 500
    assert counts["crashed"] == 0
    assert len(counts) >= 6


@pytest.mark.ci
def test_hostile_images_with_all_formats_end_in_a_picture_or_a_failure(
    hostile: list[bytes], report: Callable[[Outcomes], None]
) -> None:
    counts = outcomes(hostile, DecodeLimits(LIMITS.max_pixels, 20.0, LIMITS.memory, True, True))
    report(counts)
    assert counts.total() == len(hostile)
    assert counts["ok"] > 600
    assert counts["crashed"] < 5


@pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.ci
def test_randomly_damaged_images_end_in_a_picture_or_a_failure(
    hostile: list[bytes], shared: Path, count: int, report: Callable[[Outcomes], None]
) -> None:
    photographs = [path.read_bytes() for path in (shared / "near-duplicates").rglob("*.*")]
    originals = [data for data in (*hostile, *photographs) if 0 < len(data) < 60_000]
    assert len(originals) > 500
    counts = outcomes(mutants(originals, count))
    report(counts)
    assert counts.total() == count
    assert counts["ok"] > count // 20
    assert counts["damaged"] + counts["truncated"] > count // 20
    assert counts["crashed"] < count // 100
