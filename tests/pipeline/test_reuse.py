"""Each URL is downloaded once, equal bytes are embedded once, and failures wait for a retry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.on_disk import content, rows
from support.shop import Shop, id_of, picture
from vecsim import Index
from vecsim.records import ImageRef


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop whose pictures 5 to 9 have the bytes of the first five."""
    shop = Shop(10)
    shop.pictures[5:] = shop.pictures[:5]
    with shop.open():
        yield shop


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "i", "phash") as index:
        yield index


def test_known_bytes_are_not_embedded_again(shop: Shop, index: Index, tmp_path: Path) -> None:
    assert index.add(shop.list_to(tmp_path / "a.csv", range(5))).reused == 0
    report = index.add(shop.list_to(tmp_path / "b.csv", range(5, 10)))
    assert (report.added, report.reused) == (5, 5)
    stored = content(index.path)
    assert [row[3] for row in stored[5:]] == [row[3] for row in stored[:5]]
    sizes = rows(index.path, "SELECT DISTINCT width, height, format FROM images")
    assert sizes == [(64, 64, "PNG")]


@pytest.mark.ci
def test_known_bytes_of_a_removed_image_are_embedded_again(
    shop: Shop, index: Index, tmp_path: Path
) -> None:
    index.add(shop.list_to(tmp_path / "a.csv", range(5)))
    index.remove([id_of(number) for number in range(5)])
    report = index.add(shop.list_to(tmp_path / "b.csv", range(5, 10)))
    assert (report.added, report.reused) == (5, 0)


def test_one_url_under_two_ids_is_downloaded_once(shop: Shop, index: Index) -> None:
    report = index.add([ImageRef(name, shop.url(3)) for name in "abc"])
    assert report.added == 3
    assert shop.total == 1
    assert len({row[3] for row in content(index.path)}) == 1


def test_a_failure_waits_for_retry(shop: Shop, index: Index, tmp_path: Path) -> None:
    source = shop.list_to(tmp_path / "a.csv", [1, 10, 11, 2])
    assert index.add(source).failed == 2
    asked = shop.total
    assert index.add(source).skipped == 4
    assert shop.total == asked
    shop.pictures.append(picture(10))
    report = index.retry()
    assert (report.added, report.failed) == (1, 1)
    assert shop.total == asked + 2
    (failure,) = index.failures
    assert (failure.ref.id, failure.http_status, failure.attempts) == (id_of(11), 404, 2)
