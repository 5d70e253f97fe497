"""`vecsim cluster`: groups, which image of each is kept, and the reason that it gives."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from vecsim import Index

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "images" / "3.jpg"
TAKEN = datetime(2019, 7, 1, 10)


def camera_data(image: Image.Image, **more: str) -> bytes:
    """What a camera writes into a picture of this size."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "NIKON", "D70"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = TAKEN.strftime("%Y:%m:%d %H:%M:%S")
    details[ExifTags.Base.ExifImageWidth] = image.width
    details[ExifTags.Base.ExifImageHeight] = image.height
    for name, value in more.items():
        exif[ExifTags.Base[name]] = value
    return exif.tobytes()


def set_time(path: Path) -> None:
    os.utime(path, (TAKEN.timestamp(), TAKEN.timestamp()))


@pytest.fixture
def folder(workplace: Path) -> Path:
    """A folder with `original.jpg`, as a camera wrote it."""
    (workplace / "photos").mkdir()
    image = Image.open(PICTURE).convert("RGB")
    path = workplace / "photos" / "original.jpg"
    image.save(path, quality=92, exif=camera_data(image))
    set_time(path)
    return path.parent


def cluster(vecsim, folder: Path, *options: object) -> dict[str, tuple[str, str]]:
    """Of each image in a group, by its name, whether it is kept, and why."""
    vecsim("build-index", "idx", folder)
    ran = vecsim("cluster", "idx", *options)
    assert ran.status == 0, ran.err
    return {Path(row["url"]).name: (row["keep"], row["reason"]) for row in ran.rows}


def original(folder: Path) -> Image.Image:
    return Image.open(folder / "original.jpg")


def test_copies_of_the_same_size_are_given_up(vecsim, folder: Path) -> None:
    image = original(folder)
    exif = image.info["exif"]
    image.save(folder / "a.png")
    image.convert("L").save(folder / "b.jpg", quality=99, exif=exif)
    image.save(folder / "d.png", exif=exif)
    image.save(folder / "e.jpg", quality=99, exif=exif)
    image.save(folder / "f.jpg", quality=99, exif=camera_data(image, Software="Adobe Photoshop"))

    assert cluster(vecsim, folder) == {
        "original.jpg": ("yes", "oldest"),
        "a.png": ("no", "no or changed camera data"),
        "b.jpg": ("no", "no colour"),
        "d.png": ("no", "lossless copy of a lossy file"),
        "e.jpg": ("no", "younger"),
        "f.jpg": ("no", "no or changed camera data"),
    }


@pytest.mark.parametrize("with_camera_data", [True, False])
def test_a_mirrored_copy_is_given_up(vecsim, folder: Path, with_camera_data: bool) -> None:
    image = original(folder)
    exif = {"exif": image.info["exif"]} if with_camera_data else {}
    ImageOps.mirror(image).save(folder / "a.jpg", quality=99, **exif)
    found = cluster(vecsim, folder, "-t", "-1")
    assert [found[name][0] for name in ("original.jpg", "a.jpg")] == ["yes", "no"]


def test_without_camera_data_a_lossless_copy_is_still_one(vecsim, folder: Path) -> None:
    original(folder).save(folder / "z.jpg", quality=90)
    (folder / "original.jpg").unlink()
    Image.open(folder / "z.jpg").save(folder / "a.png")
    os.utime(folder / "a.png", (0, 0))  # even if the times say otherwise
    assert cluster(vecsim, folder) == {
        "z.jpg": ("yes", "original of a lossless copy"),
        "a.png": ("no", "lossless copy of a lossy file"),
    }


def test_a_jpeg_made_of_a_png_is_the_copy(vecsim, folder: Path) -> None:
    image = original(folder).copy()
    (folder / "original.jpg").unlink()
    plain = Image.fromarray(np.asarray(image))
    plain.save(folder / "scan.png")
    set_time(folder / "scan.png")
    plain.save(folder / "a.jpg", quality=90)
    assert cluster(vecsim, folder) == {"scan.png": ("yes", "oldest"), "a.jpg": ("no", "younger")}


@pytest.mark.ci
def test_a_screenshot_is_not_kept_though_it_is_larger(vecsim, folder: Path) -> None:
    image = original(folder)
    image.resize((image.width * 2, image.height * 2)).save(folder / "Screenshot_2020.png")
    assert cluster(vecsim, folder) == {
        "original.jpg": ("yes", "no screenshot"),
        "Screenshot_2020.png": ("no", "screenshot"),
    }


def test_more_pixels_come_first(vecsim, folder: Path) -> None:
    image = original(folder)
    image.resize((image.width * 2, image.height * 2)).save(folder / "large.jpg")
    assert cluster(vecsim, folder) == {
        "large.jpg": ("yes", "most pixels"),
        "original.jpg": ("no", "fewer pixels"),
    }
    assert cluster(vecsim, folder, "--keep", "oldest")["original.jpg"] == ("yes", "oldest")


def test_preferred_and_reference_folders(vecsim, folder: Path) -> None:
    (folder / "album").mkdir()
    (folder / "very" / "deep").mkdir(parents=True)
    data = (folder / "original.jpg").read_bytes()
    (folder / "album" / "p.jpg").write_bytes(data)
    (folder / "very" / "deep" / "q.jpg").write_bytes(data)
    original(folder).resize((160, 120)).save(folder / "album" / "small.jpg")

    found = cluster(vecsim, folder, "-t", "0.8")
    assert found["original.jpg"] == ("yes", "oldest")
    assert found["p.jpg"] == ("no", "same bytes, younger")
    found = cluster(vecsim, folder, "-t", "0.8", "--prefer", folder / "album")
    assert found["p.jpg"] == ("yes", "in a preferred folder")
    assert found["small.jpg"] == ("no", "fewer pixels")
    found = cluster(vecsim, folder, "-t", "0.8", "--reference", folder / "album")
    assert found == {
        "p.jpg": ("yes", "most pixels"),
        "small.jpg": ("yes", "in a reference folder"),
        "original.jpg": ("no", "same bytes, a picture in a reference folder is kept"),
        "q.jpg": ("no", "same bytes, a picture in a reference folder is kept"),
    }


def test_a_folder_that_does_not_exist_is_refused(vecsim, folder: Path) -> None:
    vecsim("build-index", "idx", folder)
    ran = vecsim("cluster", "idx", "--reference", "albun")
    assert ran.status == 2
    assert "albun" in ran.err


def test_equal_times_and_sizes_leave_the_shortest_path(vecsim, folder: Path) -> None:
    data = (folder / "original.jpg").read_bytes()
    for name in ("original (1).jpg", "original - copy.jpg"):
        (folder / name).write_bytes(data)
        set_time(folder / name)
    found = cluster(vecsim, folder)
    assert found["original.jpg"] == ("yes", "shortest path")
    assert found["original (1).jpg"] == ("no", "same bytes, longer path")


def test_a_file_that_changed_after_indexing_is_not_read(vecsim, folder: Path) -> None:
    """Facts are those of the bytes that were indexed, so both rows still have a reason."""
    original(folder).save(folder / "a.jpg", quality=99)
    vecsim("build-index", "idx", folder)
    (folder / "original.jpg").write_bytes(b"no picture any more")
    set_time(folder / "original.jpg")
    ran = vecsim("cluster", "idx")
    assert ran.status == 0
    assert {row["reason"] for row in ran.rows} == {"oldest", "younger"}


# -- groups ----------------------------------------------------------------------------------------


@pytest.fixture
def chain(workplace: Path) -> Path:
    """Seven vectors 20 degrees apart: neighbours match at 0.9, others do not."""
    angles = np.radians(np.arange(7) * 20)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    Index.from_vectors("chain", vectors, list("abcdefg")).close()
    return Path("chain")


def groups(ran) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for row in ran.rows:
        found.setdefault(row["group"], []).append((row["id"], row["keep"]))
    return found


def test_a_chain_is_no_group_by_default(vecsim, chain: Path) -> None:
    ran = vecsim("cluster", chain, "-t", "0.9")
    # Of those with two neighbours, b has the first id and takes a and c. Then d takes e, f takes g.
    assert groups(ran) == {
        "1": [("a", "yes"), ("b", "no"), ("c", "yes")],
        "2": [("d", "yes"), ("e", "no")],
        "3": [("f", "yes"), ("g", "no")],
    }
    assert [row["smallest_score"] for row in ran.rows][2:4] == ["0.766044", "0.939693"]
    assert ran.rows[2]["reason"] == "does not match the kept image itself"


def test_complete_groups_match_throughout(vecsim, chain: Path) -> None:
    ran = vecsim("cluster", chain, "-t", "0.9", "--linkage", "complete")
    assert [len(group) for group in groups(ran).values()] == [2, 2, 2]
    assert all(float(row["smallest_score"]) >= 0.9 for row in ran.rows)


def test_components_follow_the_chain_and_give_up_only_what_matches(vecsim, chain: Path) -> None:
    ran = vecsim("cluster", chain, "-t", "0.9", "--linkage", "components")
    (group,) = groups(ran).values()
    assert [keep for _, keep in group] == ["yes", "no", *["yes"] * 5]
    assert ran.rows[0]["smallest_score"] == "-0.500000"


def test_complete_linkage_refuses_a_component_that_is_too_large(
    vecsim, chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.operations.linkage.COMPLETE_LIMIT", 6)
    ran = vecsim("cluster", chain, "-t", "0.9", "--linkage", "complete", "-o", "groups.csv")
    assert ran.status == 2
    assert "connects 7 images, and complete linkage takes 6 at most" in ran.err
    assert not Path("groups.csv").exists()
