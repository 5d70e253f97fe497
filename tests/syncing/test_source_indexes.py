"""The kept index of a source follows it; `vecsim cache`; `match --new-only`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.commands import run_here as run
from support.on_disk import added_at, rows
from support.shop import Shop, picture
from vecsim import match


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the indexes of sources."""
    monkeypatch.setenv("VECSIM_INDEXES", str(tmp_path / "kept"))
    return tmp_path / "kept" / ".sources"


@pytest.mark.ci
def test_a_changed_list_downloads_only_what_is_new(kept: Path, tmp_path: Path) -> None:
    with Shop(30).open() as shop:
        ours = shop.list_to(tmp_path / "ours.csv", range(10))
        theirs = shop.list_to(tmp_path / "theirs.csv", range(5, 25))
        first = run("match", ours, theirs, "-f", "csv")
        assert shop.total == 30
        with theirs.open("a") as file:
            file.write("\n")
        assert run("match", ours, theirs, "-f", "csv").count("http") == first.count("http")
        assert shop.total == 30, "a blank line costs no request"
        shop.list_to(theirs, [*range(5, 9), *range(15, 27)])
        printed = run("match", ours, theirs, "-f", "csv")
        assert shop.total == 32
        assert printed.count("1.000000") == 4, "rows that are no longer listed do not match"
        shop.list_to(theirs, range(5, 25))
        assert run("match", ours, theirs, "-f", "csv").count("1.000000") == 5
        assert shop.total == 32, "vectors of rows that come back are used again"
    assert len(list(kept.iterdir())) == 2


def test_a_changed_folder_is_followed(folder: Path, kept: Path) -> None:
    (folder / "copy.png").write_bytes(picture(3))
    assert "1.000000" in run("match", folder, "-f", "csv")
    (folder / "copy.png").unlink()
    (folder / "a" / "1.png").rename(folder / "one.png")
    (folder / "b" / "9.png").write_bytes(picture(4))
    printed = run("match", folder, "-f", "csv")
    assert "1 moved" in printed and "1 replaced" in printed
    assert "copy.png" not in printed
    assert printed.count("1.000000") == 1 and "9.png" in printed
    assert len(list(kept.iterdir())) == 1
    for file in folder.rglob("*.png"):
        if file.name != "0.png":
            file.unlink()
    run("match", folder, "-f", "csv")  # no limit on what leaves


@pytest.mark.ci
def test_the_calibrated_threshold_outlives_a_changed_list(folder: Path, kept: Path) -> None:
    from vecsim.operations.index_settings import store_threshold

    run("match", folder, "-f", "csv")
    (index,) = kept.iterdir()
    store_threshold(index, 0.5)
    (folder / "new.png").write_bytes(picture(40))
    run("match", folder, "-f", "csv")
    assert rows(index, "SELECT value FROM settings WHERE name = 'threshold'") == [("0.5",)]


def test_the_references_are_checked_before_queries_are_downloaded(
    kept: Path, tmp_path: Path
) -> None:
    with Shop(5).open() as shop:
        ours = shop.list_to(tmp_path / "ours.csv", range(5))
        broken = tmp_path / "broken.csv"
        broken.write_text("id,title\n1,shoe\n2,hat\n")
        run("match", ours, broken, status=1)
        run("match", ours, tmp_path / "none.csv", status=1)
        index = tmp_path / "index"
        run("build-index", index, shop.list_to(tmp_path / "b.csv", [0]))
        before = shop.total
        (index / "catalog.db").write_bytes(b"damaged")
        run("match", ours, index, status=1)
        assert shop.total == before == 1


@pytest.mark.ci
def test_cache_lists_and_cleans(folder: Path, kept: Path, tmp_path: Path) -> None:
    from vecsim.operations.index_settings import store_threshold

    other = tmp_path / "Other"
    shutil.copytree(folder, other)
    third = tmp_path / "Third"
    shutil.copytree(folder, third)
    for place in (folder, other, third):
        run("match", place, "-f", "csv")
    listed = run("cache", "list", "-f", "csv")
    assert all(str(place) in listed for place in (folder, other, third))
    calibrated = next(path for path in kept.iterdir() if path.name.startswith("Third"))
    store_threshold(calibrated, 0.5)
    assert "threshold 0.5" in run("cache", "-f", "csv")
    shutil.rmtree(other)
    shutil.rmtree(third)
    printed = run("cache", "clean")
    assert "holds threshold 0.5. --force deletes it too" in printed
    assert "1 index deleted" in printed
    assert sorted(path.name.split("-")[0] for path in kept.iterdir()) == ["Pictures", "Third"]
    printed = run("cache", "clean", "--all", "--force")
    assert "deleted, with threshold 0.5" in printed and "2 indexes deleted" in printed
    assert not list(kept.iterdir())


def test_new_only_reports_what_the_last_sync_brought(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    (folder / "copy.png").write_bytes(picture(1))
    run("build-index", index, folder)
    assert "vecsim sync" in run("match", index, "--new-only", "-f", "csv", status=2)
    run("sync", index, folder)
    assert "1.000000" not in run("match", index, "--new-only", "-f", "csv")
    (folder / "again.png").write_bytes(picture(2))
    (folder / "b" / "8.png").write_bytes(picture(3))
    (folder / "a" / "1.png").rename(folder / "one.png")
    run("sync", index, folder)
    printed = run("match", index, "--new-only", "-f", "csv")
    assert printed.count("1.000000") == 2
    assert "again.png" in printed and "8.png" in printed and "one.png" not in printed
    assert len(list(match(index, new_only=True))) == 2
    unmatched = ("--new-only", "--unmatched", tmp_path / "none.csv")
    assert "leave out --new-only" in run("match", index, *unmatched, status=2)
    assert run("match", index, "-f", "csv").count("1.000000") == 3
    assert len(added_at(index)) == 12
