"""Searches that wait together are answered together: each as it is alone, byte for byte."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.event_loop import run_coroutine
from vecsim import Index
from vecsim.errors import IndexDamagedError, UnknownIdError, UsageError
from vecsim.records import Embedded, ImageFacts, ImageRef
from vecsim.search.score import normalise
from vecsim.web import search_schemas, search_service
from vecsim.web.search_service import HowSimilar, Search, SearchService

COUNT, DIM = 6_000, 48


def like_images(count: int, seed: int) -> Any:
    """Unit vectors in small groups of similar ones, so that a sketch helps."""
    random = np.random.default_rng(seed)
    strength = 1 / np.arange(1, DIM + 1) ** 0.8
    centres = np.random.default_rng(1).standard_normal((1_000, DIM)) * strength
    rows = centres[random.integers(0, 1_000, count)]
    return normalise(rows + 0.3 * random.standard_normal((count, DIM)) * strength + 0.02)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 6,000 vectors, with a sketch, whose ids have characters that JSON escapes."""
    path = tmp_path_factory.mktemp("together") / "large"
    Index.from_vectors(path, like_images(COUNT, 2), [name(row) for row in range(COUNT)]).close()
    return path


def name(row: int) -> str:
    """The id of an image."""
    return f'v{row} "ä",\n"score":0.0,"orientation":null\x7f' if row % 7 == 0 else f"v{row}"


def change(index: Path, statement: str, *values: str) -> None:
    """Run a statement on the catalog of an index."""
    with closing(sqlite3.connect(index / "catalog.db")) as catalog, catalog:
        catalog.execute(statement, values)


@pytest.fixture
def service(large: Path) -> Iterator[SearchService]:
    """A service of the index, alone on its thread."""
    with ThreadPoolExecutor(1) as thread, Index.open(large) as index:
        yield SearchService("large", "/api/v1/indexes/large", thread, lambda: index.snapshot)
        thread.submit(index.close).result()


def asked() -> list[Search]:
    """Searches by id and by picture that differ in all parameters; some are the same."""
    random = np.random.default_rng(3)
    searches = []
    for number in range(60):
        how = HowSimilar(
            (-1.0, 0.5, 0.9)[number % 3],
            (1, 10, 12, 50, 500)[int(random.integers(5))],
            ("none", "turns", "all")[int(random.integers(3))],
        )
        if number % 2:
            how = HowSimilar(how.threshold, how.k, "none")
            searches.append(Search(name(int(random.integers(50))), how))
        else:
            first, *others = like_images(8, number)
            turned = dict(zip(range(1, 8), others, strict=True))
            facts = ImageFacts(width=3, height=number, format="PNG")
            picture = Embedded(ImageRef("upload", ""), facts, first, b"", turned)
            searches.append(Search(picture, how))
    return searches


async def _gathered(
    service: SearchService, searches: Sequence[Search], meanwhile: Callable[[], object]
) -> list[bytes | BaseException]:
    """Ask while the thread is busy, so that all wait together; `meanwhile` is called before."""
    free = threading.Event()
    service._batches._thread.submit(free.wait)
    first = asyncio.ensure_future(service.search("v1", HowSimilar(-1.0, 3, "none")))
    await asyncio.sleep(0)
    tasks = [asyncio.ensure_future(service.search(each.query, each.how)) for each in searches]
    await asyncio.sleep(0.01)
    meanwhile()
    free.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def together(
    service: SearchService,
    searches: Sequence[Search],
    meanwhile: Callable[[], object] = lambda: None,
) -> list[bytes | BaseException]:
    """Return the answers or errors of searches that wait together."""
    return run_coroutine(_gathered(service, searches, meanwhile))


def alone(service: SearchService, searches: Sequence[Search]) -> list[bytes | BaseException]:
    """Return the answers or errors of searches one after the other."""

    async def ask() -> list[bytes | BaseException]:
        answers: list[bytes | BaseException] = []
        for each in searches:
            asking = asyncio.ensure_future(service.search(each.query, each.how))
            answers += await asyncio.gather(asking, return_exceptions=True)
        return answers

    return run_coroutine(ask())


def test_each_search_gets_the_bytes_that_it_gets_alone(
    service: SearchService, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = asked()
    expected = alone(service, searches)
    sizes = []
    search_group = search_service.best_of_group

    def counted(snapshot: Any, queries: Any, read_rows: Any) -> Any:
        sizes.append(len(queries))
        return search_group(snapshot, queries, read_rows)

    monkeypatch.setattr(search_service, "best_of_group", counted)

    assert together(service, searches) == expected
    assert sum(sizes) == 61 and max(sizes) > 4, "they were not searched together"
    with Index.open(large) as index:
        for search, answer in zip(searches, expected, strict=True):
            assert isinstance(answer, bytes)
            parsed = search_schemas.Matches.model_validate_json(answer)
            assert parsed.model_dump_json().encode() == answer
            if isinstance(search.query, str):
                best = index.query_ids(search.query, top_k=search.how.k)
            elif search.how.orientations == "none":
                best = index.query(search.query.vector[None], top_k=search.how.k)
            else:
                continue
            found = [(match.id, match.score) for match in parsed.matches]
            assert found == [
                (match.reference_id, match.score)
                for match in best
                if match.score >= search.how.threshold
            ]


def test_an_error_concerns_only_its_own_search(service: SearchService) -> None:
    none, turns = HowSimilar(-1.0, 5, "none"), HowSimilar(-1.0, 5, "turns")
    good = asked()[:20]
    bad = [Search("unknown", none), Search("v1", turns), Search("v2", turns)]
    expected = alone(service, good)

    answers = together(service, [*good[:10], *bad, *good[10:]])

    assert [type(each) for each in answers[10:13]] == [UnknownIdError, UsageError, UsageError]
    assert answers[:10] + answers[13:] == expected


def test_a_damaged_row_fails_only_the_searches_that_show_it(
    service: SearchService, large: Path
) -> None:
    how = HowSimilar(-1.0, 5, "none")
    searches = [Search(f"v{row}", how) for row in range(1, 60) if row % 7]
    expected = alone(service, searches)
    change(large, "UPDATE images SET fields = '[' WHERE id = 'v9'")
    try:
        assert alone(service, searches) != expected
        answers = together(service, searches)
    finally:
        change(large, "UPDATE images SET fields = '{}' WHERE id = 'v9'")
    for answer, correct in zip(answers, expected, strict=True):
        assert isinstance(correct, bytes)
        if b'"id":"v9"' in correct:
            assert isinstance(answer, IndexDamagedError)
        else:
            assert answer == correct
    assert together(service, searches) == expected


def test_a_client_that_leaves_does_not_stop_the_others(service: SearchService) -> None:
    searches = asked()[:12]
    expected = alone(service, searches)

    async def ask() -> list[bytes | BaseException]:
        free = threading.Event()
        service._batches._thread.submit(free.wait)
        tasks = [asyncio.ensure_future(service.search(each.query, each.how)) for each in searches]
        await asyncio.sleep(0.01)  # the first batch has begun
        late = [asyncio.ensure_future(service.search(each.query, each.how)) for each in searches]
        await asyncio.sleep(0)
        tasks[3].cancel()
        late[5].cancel()
        free.set()
        return await asyncio.gather(*tasks, *late, return_exceptions=True)

    answers = run_coroutine(ask())
    assert [type(answers[3]), type(answers[12 + 5])] == [asyncio.CancelledError] * 2
    for place, answer in enumerate(answers):
        assert place in (3, 12 + 5) or answer == expected[place % 12]


def test_answers_while_images_are_removed_are_those_of_one_generation(tmp_path: Path) -> None:
    path, how = tmp_path / "changing", HowSimilar(-1.0, 300, "none")
    Index.from_vectors(path, like_images(200, 5), [f"v{row}" for row in range(200)]).close()
    searches = [Search(f"v{row}", how) for row in range(24)]
    with ThreadPoolExecutor(1) as thread, Index.open(path) as index, Index.open(path) as writer:
        service = SearchService("large", "/api/v1/indexes/large", thread, lambda: index.snapshot)
        for row in range(100, 106):
            before = alone(service, searches)
            changed = threading.Thread(target=writer.remove, args=([f"v{row}"],))
            answers = together(service, searches, changed.start)
            changed.join()
            after = alone(service, searches)
            assert before != after
            assert answers in (before, after)
            assert together(service, searches) == after
        thread.submit(index.close).result()


def test_what_answers_say_of_images_is_read_again_after_any_change(
    service: SearchService, large: Path
) -> None:
    search = [Search("v1", HowSimilar(-1.0, 500, "none"))]
    before = alone(service, search)[0]
    assert isinstance(before, bytes)
    shown = search_schemas.Matches.model_validate_json(before).matches[0].id
    # As sync does, without a new generation.
    change(large, "UPDATE images SET url = 'http://moved/' WHERE id = ?", shown)
    after = alone(service, search)[0]
    change(large, "UPDATE images SET url = '' WHERE id = ?", shown)
    assert isinstance(after, bytes) and b"http://moved/" in after
    assert alone(service, search)[0] == before
