"""An index answers the same however it grew; a finished command run again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import run
from support.on_disk import content, live, rows
from support.shop import Shop, id_of
from vecsim import Index, match

COUNT = 24


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A shop whose pictures 20 to 23 are copies of the first four."""
    shop = Shop(COUNT)
    shop.pictures[20:] = shop.pictures[:4]
    with shop.open():
        yield shop


def all_answers(path: Path, shop: Shop, folder: Path) -> list[list[tuple]]:
    """Return the answers to queries of all kinds, in order."""
    query = folder / "query.png"
    query.write_bytes(shop.pictures[3])
    with Index.open(path) as index:
        found = [
            match(index, threshold=0.2),
            match(index, index.path, threshold=1.0),
            index.query(query, threshold=0.3),
            index.query(query, top_k=5),
            index.query_ids([id_ for _, id_ in live(path)], top_k=3),
        ]
        return [
            [(m.query_id, m.reference_id, m.reference_url, m.score) for m in each] for each in found
        ]


@pytest.mark.ci
def test_images_added_at_once_in_two_parts_or_one_by_one_give_the_same_answers(
    shop: Shop, tmp_path: Path
) -> None:
    numbers = list(range(COUNT))
    both = shop.list_to(tmp_path / "both.csv", numbers)
    a, b = (
        shop.list_to(tmp_path / name, part)
        for name, part in (("a.csv", numbers[:10]), ("b.csv", numbers[10:]))
    )
    run("build-index", tmp_path / "at-once", both)
    run("build-index", tmp_path / "in-two", a)
    run("add", tmp_path / "in-two", b)
    with Index.create(tmp_path / "one-by-one", "phash") as index:
        for number in numbers:
            index.add(shop.list_to(tmp_path / "one.csv", [number]))

    expected = content(tmp_path / "at-once")
    assert len(expected) == COUNT
    truth = all_answers(tmp_path / "at-once", shop, tmp_path)
    assert all(truth)
    for name in ("in-two", "one-by-one"):
        assert content(tmp_path / name) == expected
        assert all_answers(tmp_path / name, shop, tmp_path) == truth


@pytest.mark.ci
def test_images_removed_and_added_again_give_the_same_answers(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "i"
    source = shop.list_to(tmp_path / "all.csv", range(COUNT))
    run("build-index", path, source)
    before = all_answers(path, shop, tmp_path)
    gone = [id_ for _, id_ in live(path)][3:15]
    with Index.open(path) as index:
        assert index.remove(gone) == 12
        assert len(index) == COUNT - 12
        left = {name for m in match(index, threshold=-1.0) for name in (m.query_id, m.reference_id)}
        assert left.isdisjoint(gone)
        assert index.add(source).added == 12

    def as_sets(answers: list[list[tuple]]) -> list[set]:
        # The order of the images has changed, so a self-match may swap query and reference.
        return [{(frozenset(each[:2]), each[3]) for each in found} for found in answers]

    assert as_sets(all_answers(path, shop, tmp_path)) == as_sets(before)


@pytest.mark.ci
def test_a_finished_command_changes_nothing_the_second_time(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "i"
    source = shop.list_to(tmp_path / "some.csv", [1, 2, 500, 20, 3, 501])
    more = shop.list_to(tmp_path / "more.csv", [4, 5, 502, 1])
    commands = [
        (("build-index", path, source), 3),
        (("add", path, more), 3),
        (("remove", path, "--missing-ok", id_of(2)), 0),
        (("compact", path), 0),
    ]
    for command, status in commands:
        run(*command, status=status)
        before, asked = state(path), shop.total
        run(*command)
        assert shop.total == asked, f"{command[0]} downloaded again"
        assert state(path) == before, f"{command[0]} changed something"


def state(path: Path) -> tuple[list, dict[str, tuple[int, bytes]]]:
    """Return all of the catalog except the generation, and the segment files."""
    tables = ["images", "failures", "segments", "settings"]
    files = {file.name: (file.stat().st_ino, file.read_bytes()) for file in path.glob("segments/*")}
    return [rows(path, f"SELECT * FROM {table}") for table in tables], files
