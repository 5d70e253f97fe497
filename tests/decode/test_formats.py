"""Formats: which are read, and what the first bytes of a file name."""

import subprocess
import sys

import pytest

from vecsim.decode.formats import (
    WEB_FORMATS,
    codec_versions,
    describe,
    formats_to_read,
    image_format,
)


def test_codecs_of_the_web_are_there() -> None:
    versions = codec_versions()
    assert set(versions) == {"JPEG turbo", "PNG", "WebP", "AVIF"}
    assert all(versions.values())


def test_all_formats_are_more_but_not_eps() -> None:
    every = formats_to_read(all_formats=True)
    assert formats_to_read(all_formats=False) == WEB_FORMATS
    assert set(WEB_FORMATS) < set(every)
    assert "JPEG2000" in every
    assert "EPS" not in every


def test_only_the_plug_in_for_jpeg_is_imported_for_a_jpeg() -> None:
    script = (
        "import sys; from vecsim.decode.formats import load_plugins\n"
        "load_plugins(bytes([255, 216, 255]))\n"
        "print('PIL.JpegImagePlugin' in sys.modules, 'PIL.WebPImagePlugin' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"  <svg xmlns='...'>", "SVG"),
        (b"<html><body><svg>", None),
        (b"\x0a", None),  # PCX, by its one byte: too little evidence
        (b"", None),
    ],
)
def test_formats_by_their_first_bytes(data: bytes, name: str | None) -> None:
    assert image_format(data) == name


def test_text_cut_within_a_character_is_text() -> None:
    assert describe(("x" * 1023 + "ü").encode()) == "plain text"
    assert describe(b"\xfe\xfe" * 20).startswith("unknown data")
