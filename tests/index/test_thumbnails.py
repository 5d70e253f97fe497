"""Each image keeps its own thumbnail through crashes, removals and damage."""

from __future__ import annotations

import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.on_disk import rows
from vecsim import ImageRef, Index
from vecsim.decode.transform import make_thumbnail
from vecsim.errors import IndexDamagedError, UnknownIdError
from vecsim.index.repair import repair

COUNT = 12


def picture(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels).resize((96, 64), Image.Resampling.NEAREST)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(COUNT):
        picture(number).save(folder / f"{number}.png")
    return folder


def refs(folder: Path, numbers: range) -> list[ImageRef]:
    return [ImageRef(str(number), str(folder / f"{number}.png")) for number in numbers]


@pytest.fixture
def index(folder: Path, tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "index", "phash") as index:
        assert index.add(refs(folder, range(COUNT))).added == COUNT
        yield index


def stored(index: Index) -> dict[int, bytes]:
    with closing(sqlite3.connect(index.path / "thumbnails.db")) as connection:
        return dict(connection.execute("SELECT key, webp FROM thumbnails"))


def test_each_image_has_its_own_thumbnail(index: Index) -> None:
    for number in range(COUNT):
        assert index.thumbnail(number) == make_thumbnail(picture(number))
    assert Image.open(io.BytesIO(index.thumbnail("3") or b"")).size == (96, 64)
    with pytest.raises(UnknownIdError):
        index.thumbnail("nobody")


def test_images_with_known_bytes_get_a_thumbnail_too(index: Index, folder: Path) -> None:
    shutil.copy(folder / "5.png", folder / "copy.png")
    report = index.add([ImageRef("copy", str(folder / "copy.png"))])
    assert report.reused == 1
    assert index.thumbnail("copy") == index.thumbnail("5")


def test_a_replaced_image_gets_a_new_thumbnail(index: Index, folder: Path) -> None:
    picture(99).save(folder / "99.png")
    index.add([ImageRef("5", str(folder / "99.png"))], on_duplicate="replace")
    assert index.thumbnail("5") == make_thumbnail(picture(99))


def test_an_index_made_without_thumbnails_can_get_them_later(folder: Path, tmp_path: Path) -> None:
    with Index.create(tmp_path / "without", "phash", thumbnails=False) as index:
        index.add(refs(folder, range(4)))
        index.add(refs(folder, range(4, 6)))
        assert not (index.path / "thumbnails.db").exists()
        assert index.thumbnail("0") is None
        picture(99).save(folder / "1.png")  # the address shows something else by now
        (folder / "2.png").unlink()
        done = index.fetch_thumbnails()
        assert done.added == 4
        assert sorted(f"{f.ref.id} {f.kind}" for f in done.failures) == ["1 changed", "2 no-file"]
        assert index.thumbnail("0") == make_thumbnail(picture(0))
        assert index.thumbnail("1") is None
        assert index.verify() == []


def test_imported_vectors_have_no_thumbnails(tmp_path: Path) -> None:
    with Index.from_vectors(tmp_path / "own", np.eye(3), ["a", "b", "c"]) as index:
        assert index.thumbnail("a") is None
        done = index.fetch_thumbnails()
        assert (done.added, done.without_url, done.failures) == (0, 3, [])


def test_compacting_deletes_thumbnails_of_removed_images(index: Index) -> None:
    before = stored(index)
    index.remove([str(number) for number in range(4)])
    assert stored(index) == before
    index.close()
    index.compact()
    keys = {key for (key,) in rows(index.path, "SELECT key FROM images")}
    assert set(stored(index)) == keys
    assert len(keys) == COUNT - 4
    assert index.thumbnail("7") == make_thumbnail(picture(7))


def test_thumbnails_of_a_killed_run_are_not_shown_for_later_images(index: Index) -> None:
    """The thumbnails of a chunk are durable before the catalog names their keys."""
    ((next_key,),) = rows(index.path, "SELECT value FROM counters WHERE name = 'next_key'")
    with closing(sqlite3.connect(index.path / "thumbnails.db")) as connection, connection:
        orphans = [(next_key + number, b"of nobody") for number in range(3)]
        connection.executemany("INSERT INTO thumbnails (key, webp) VALUES (?, ?)", orphans)
    index.close()
    data = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(data, "PNG")
    (index.path.parent / "red.png").write_bytes(data.getvalue())
    index.path.joinpath("thumbnails.db").touch()
    from vecsim.operations.building import add
    from vecsim.operations.requests import RunOptions

    red = ImageRef("red", str(index.path.parent / "red.png"))
    add(index.path, [red], RunOptions(thumbnails=False))
    assert index.thumbnail("red") is None
    assert b"of nobody" not in stored(index).values()


def test_everything_else_works_without_the_file(index: Index, folder: Path) -> None:
    index.close()
    (index.path / "thumbnails.db").unlink()
    assert index.thumbnail("1") is None
    assert len(index.query_ids("1", top_k=3).to_numpy()) == 3
    assert index.verify() == []
    assert index.fetch_thumbnails().added == COUNT
    assert index.thumbnail("1") == make_thumbnail(picture(1))


def test_repair_sets_a_damaged_file_aside(index: Index) -> None:
    index.close()
    file = index.path / "thumbnails.db"
    data = bytearray(file.read_bytes())
    data[100:4000] = b"\xff" * 3900
    file.write_bytes(data)
    with pytest.raises(IndexDamagedError, match="everything else is safe"):
        index.thumbnail("1")
    (problem,) = index.verify()
    assert problem.file == file
    assert len(index.query_ids("1", top_k=3).to_numpy()) == 3
    index.close()
    done = repair(index.path)
    assert (done.kept, done.lost, done.thumbnails_lost) == (COUNT, 0, True)
    assert (done.folder / "thumbnails.db").path.read_bytes() == data
    assert index.verify() == []
    assert index.fetch_thumbnails().added == COUNT
    assert index.thumbnail("1") == make_thumbnail(picture(1))


def test_a_changed_thumbnail_is_not_shown_and_repair_deletes_it_alone(index: Index) -> None:
    """A changed byte, and a thumbnail under the key of another image."""
    before = stored(index)
    index.close()
    with closing(sqlite3.connect(index.path / "thumbnails.db")) as connection, connection:
        flipped = bytes([*before[4][:-1], before[4][-1] ^ 1])
        connection.execute("UPDATE thumbnails SET webp = ? WHERE key = 4", [flipped])
        connection.execute("DELETE FROM thumbnails WHERE key = 7")
        connection.execute("UPDATE thumbnails SET key = 7 WHERE key = 6")
    assert index.thumbnail("3") is None
    assert index.thumbnail("6") is None
    (problem,) = index.verify()
    assert problem.what == "2 of them are damaged"
    index.close()
    assert repair(index.path).thumbnails_lost
    assert stored(index) == {key: webp for key, webp in before.items() if key not in (4, 6, 7)}
    assert index.verify() == []
    assert index.fetch_thumbnails().added == 3
    assert stored(index) == before
    assert not repair(index.path).problems


def test_files_of_the_first_format_are_read_and_migrated(index: Index, folder: Path) -> None:
    before = stored(index)
    index.close()
    with closing(sqlite3.connect(index.path / "thumbnails.db")) as connection, connection:
        connection.execute("ALTER TABLE thumbnails DROP COLUMN checksum")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = '0002_checksum'")
    assert index.thumbnail("1") == before[2]
    assert index.verify() == []
    picture(99).save(folder / "99.png")
    index.add([ImageRef("new", str(folder / "99.png"))])
    assert index.thumbnail("new") == make_thumbnail(picture(99))
    assert index.thumbnail("1") == before[2]
    assert index.verify() == []


def test_a_file_that_was_cut_during_its_creation_is_made_again(
    folder: Path, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "new", "phash") as index:
        left = index.path / ".thumbnails.db.0a1b2c3d.part"
        left.write_bytes(b"half of a file")
        index.add(refs(folder, range(2)))
        assert index.thumbnail("1") == make_thumbnail(picture(1))
        assert not left.exists()
