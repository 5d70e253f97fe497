"""Warnings of the decoder about images that it decodes are stored and listed."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.measured_command import Ran
from support.on_disk import rows
from support.shop import picture
from vecsim import Index

Inside = Callable[..., Ran]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Built from two copies of a JPEG whose EXIF block is damaged, and a sound PNG."""
    stream = io.BytesIO()
    image = Image.open(io.BytesIO(picture(1, 100))).convert("RGB")
    image.save(stream, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\x00")
    (tmp_path / "list").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "list" / name).write_bytes(stream.getvalue())
    (tmp_path / "list" / "c.png").write_bytes(picture(2))
    return tmp_path / "index"


def test_decoder_warnings_are_stored_and_listed(inside: Inside, index: Path) -> None:
    ran = inside("build-index", index, "list")

    assert ran.status == 0
    assert f"2 decoded with warnings: see `vecsim failures {index} --warnings`." in ran.err
    listed = inside("failures", index, "--warnings").rows
    assert [row["id"].rpartition("/")[2] for row in listed] == ["a.jpg", "b.jpg"]
    assert all("EXIF" in row["warning"] for row in listed)
    (line,) = [text for text in inside("info", index).out.splitlines() if "EXIF" in text]
    assert line.startswith("warnings:  2 x ")
    told = json.loads(inside("info", index, "--json").out)["warnings"]
    assert list(told.values()) == [2]


def test_reused_bytes_keep_their_warnings(inside: Inside, index: Path) -> None:
    inside("build-index", index, "list")
    shutil.copy("list/a.jpg", "again.jpg")
    with Index.open(index) as opened:
        report = opened.add(["again.jpg"])
    assert (report.reused, report.warned) == (1, 1)
    assert len(set(rows(index, "SELECT warnings FROM images"))) == 2


def test_a_sound_image_has_no_warning(inside: Inside, index: Path) -> None:
    inside("build-index", index, "list")
    inside("remove", index, *[row["id"] for row in inside("failures", index, "--warnings").rows])
    assert inside("failures", index, "--warnings").out == "id,url,warning\n"
    assert "warnings" not in inside("info", index).out
