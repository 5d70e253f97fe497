"""`--orientations`: stored by build-index, add and sync, used by match, query --id and cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

Turned = Path


@pytest.fixture
def turned(pictures: Path) -> Turned:
    """A folder with pictures 4 and 5, and with picture 4 turned clockwise by a quarter."""
    folder = Path("more")
    folder.mkdir()
    for name in ("4.jpg", "5.jpg"):
        (pictures / name).rename(folder / name)
    with Image.open(folder / "4.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_270).save(folder / "turned.png")
    return folder


def names(ran) -> list[tuple[str, str, str]]:
    """Names of files and orientations of the pairs."""
    keys = ("query_id", "reference_id")
    return [(*(Path(row[key]).name for key in keys), row["orientation"]) for row in ran.rows]


@pytest.mark.ci
def test_a_folder_is_matched_with_itself_in_all_turns(vecsim, turned: Turned) -> None:
    assert vecsim("match", turned).pairs == []
    ran = vecsim("match", turned, "--orientations", "turns", "--report", "r.html")
    assert names(ran) == [("4.jpg", "turned.png", "90")]
    assert "3 known images stored in further orientations." in ran.err
    assert '"turned":[1]' in Path("r.html").read_text().replace(" ", "")
    again = vecsim("match", turned, "--orientations", "turns")
    assert again.pairs == ran.pairs
    assert "further orientations" not in again.err
    assert vecsim("match", turned).pairs == []


def test_only_the_images_of_a_are_turned(vecsim, turned: Turned) -> None:
    assert vecsim("build-index", "a", turned / "turned.png", "--orientations", "all").status == 0
    assert vecsim("build-index", "b", turned / "4.jpg", turned / "5.jpg").status == 0
    ran = vecsim("match", "a", "b", "--orientations", "turns", "--matrix", "m.npy")
    assert names(ran) == [("turned.png", "4.jpg", "270")]
    refused = vecsim("match", "b", "a", "--orientations", "turns")
    assert refused.status == 2
    assert "not stored in the orientations 'turns'" in refused.err
    assert "vecsim add b --orientations turns" in refused.err


@pytest.mark.ci
def test_add_alone_stores_those_of_known_images(vecsim, turned: Turned) -> None:
    vecsim("build-index", "i", turned)
    for command in (["match"], ["cluster"], ["query", "--id", str(turned / "4.jpg")]):
        ran = vecsim(command[0], "i", *command[1:], "--orientations", "turns")
        assert ran.status == 2
        assert "vecsim add i --orientations turns" in ran.err
    (turned / "5.jpg").write_bytes(b"other bytes")
    added = vecsim("add", "i", "--orientations", "turns")
    assert "2 known images stored in further orientations." in added.err
    assert "1 known image could not be loaded again, or have other bytes now" in added.err
    ran = vecsim("match", "i", "--orientations", "turns")
    assert names(ran) == [("4.jpg", "turned.png", "90")]
    assert "1 image not stored in all these orientations" in ran.err
    assert "turns (2 images stored in all of them)" in vecsim("info", "i").out
    assert vecsim("verify", "i").status == 0


@pytest.mark.ci
def test_later_images_get_what_the_index_stores(vecsim, turned: Turned) -> None:
    vecsim("build-index", "i", turned / "5.jpg", "--orientations", "mirror")
    vecsim("add", "i", turned / "4.jpg")
    assert "mirror (2 images" in vecsim("info", "i").out
    vecsim("sync", "i", turned, "--adopt", "--orientations", "turns")
    assert "all (3 images" in vecsim("info", "i").out
    assert names(vecsim("match", "i", "--orientations", "all")) == [("4.jpg", "turned.png", "90")]
    assert vecsim("compact", "i").status == vecsim("verify", "i").status == 0
    vecsim("build-index", "copy", "--from", "i")
    assert "all (3 images" in vecsim("info", "copy").out


def test_clusters_say_how_each_image_is_turned(vecsim, turned: Turned) -> None:
    vecsim("build-index", "i", turned, "--orientations", "turns")
    assert vecsim("cluster", "i").rows == []
    ran = vecsim("cluster", "i", "--orientations", "turns", "--report", "r.html")
    assert [(Path(row["id"]).name, row["orientation"]) for row in ran.rows] in (
        [("4.jpg", "0"), ("turned.png", "270")],
        [("turned.png", "0"), ("4.jpg", "90")],
    )
    assert float(ran.rows[1]["score"]) == float(ran.rows[0]["smallest_score"]) > 0.8


def test_a_crop_is_found_by_the_part_that_it_shows(vecsim, pictures: Path) -> None:
    folder = Path("crops")
    folder.mkdir()
    (pictures / "2.jpg").rename(folder / "whole.jpg")
    with Image.open(folder / "whole.jpg") as image:
        width, height = image.size
        part = image.crop((0, 0, round(0.65 * width), round(0.64 * height)))
        part.save(folder / "crop.jpg", quality=90)
    assert vecsim("match", folder, "--model", "bundled").pairs == []
    by_parts = ("--model", "bundled", "--orientations", "parts")
    assert names(vecsim("match", folder, *by_parts)) == [
        ("crop.jpg", "whole.jpg", "in-top-left-62")
    ]
    vecsim("build-index", "whole", folder / "whole.jpg", *by_parts)
    vecsim("build-index", "crop", folder / "crop.jpg", "--model", "bundled")
    found = vecsim("match", "whole", "crop", "--orientations", "parts")
    assert names(found) == [("whole.jpg", "crop.jpg", "top-left-62")]
    asked = vecsim("query", "crop", folder / "whole.jpg", "--orientations", "parts")
    assert names(asked) == names(found)
    groups = vecsim("cluster", "whole", "--orientations", "parts")
    assert groups.rows == []
    assert vecsim("verify", "whole").status == 0


def test_a_query_by_id_in_stored_orientations(vecsim, turned: Turned) -> None:
    vecsim("build-index", "i", turned, "--orientations", "turns")
    query = ("query", "i", "--id", (turned / "turned.png").resolve())
    assert vecsim(*query).status == 0
    assert vecsim(*query).pairs == []
    assert names(vecsim(*query, "--orientations", "turns")) == [("turned.png", "4.jpg", "270")]
    best = vecsim(*query, "--orientations", "turns", "-k", "1")
    assert names(best) == [("turned.png", "4.jpg", "270")]


def test_add_needs_a_source_or_orientations(vecsim, index: Path) -> None:
    ran = vecsim("add", index)
    assert ran.status == 2
    assert "Give a source, or --orientations alone." in ran.err


def test_a_list_of_turned_copies_can_be_applied(vecsim, turned: Turned) -> None:
    vecsim("build-index", "i", turned, "--orientations", "turns")
    vecsim("cluster", "i", "--orientations", "turns", "--output", "groups.csv")
    ran = vecsim("apply", "groups.csv", "--index", "i", "--move-to", "away")
    assert ran.status == 0, ran.err
    assert len(list(Path("away").rglob("*.*"))) == 1
    assert "turns (2 images" in vecsim("info", "i").out
    assert vecsim("undo", "groups.journal").status == 0
    assert "turns (3 images" in vecsim("info", "i").out
    assert len(vecsim("match", "i", "--orientations", "turns").pairs) == 1


def test_a_renamed_file_keeps_its_orientations_and_a_changed_one_gets_new_ones(
    vecsim, turned: Turned
) -> None:
    vecsim("build-index", "i", turned, "--orientations", "turns")
    (turned / "turned.png").rename(turned / "renamed.png")
    with Image.open(turned / "4.jpg") as image:
        image.save(turned / "5.jpg")
    ran = vecsim("sync", "i", turned)
    assert "1 moved" in ran.err
    assert "turns (3 images" in vecsim("info", "i").out
    found = names(vecsim("match", "i", "--orientations", "turns"))
    assert {frozenset(pair[:2]) for pair in found if pair[2] != "0"} == {
        frozenset({"4.jpg", "renamed.png"}),
        frozenset({"5.jpg", "renamed.png"}),
    }
