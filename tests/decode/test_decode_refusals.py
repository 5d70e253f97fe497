"""Files that are no image, damaged or too large are refused with the reason."""

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from support.pictures import decoded, file_of, photograph, png, refusal
from vecsim.decode import DecodeLimits

JPEG = file_of(photograph(), "JPEG")
PNG = file_of(photograph(), "PNG")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"\xef\xbb\xbf\n <html lang=de>", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (json.dumps({"error": "no such image"}).encode(), "JSON"),
        (b"[1, 2]", "JSON"),
        (b"Not found", "plain text"),
        ("nichts für dich".encode(), "plain text"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x00\x00\x00\x18ftypmp42", "video"),
        (b"\x1aE\xdf\xa3\x00", "video"),
        (bytes(1000), "1000 zero bytes"),
        (b"\x93\x01\xfe\x80\x00", "unknown data"),
    ],
)
def test_other_files_are_refused_with_what_they_are(data: bytes, words: str) -> None:
    error = refusal(data)
    assert error.kind == "not-an-image"
    assert words in error.message


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (file_of(photograph(), "JPEG2000"), "JPEG2000"),
        (file_of(photograph(), "EPS"), "EPS"),
        (file_of(photograph(), "DDS"), "DDS"),
        (b"8BPS\x00\x01", "PSD"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"\xff\x0a\xfa", "JPEG XL"),
    ],
)
def test_formats_that_are_not_read_are_named(data: bytes, name: str) -> None:
    error = refusal(data)
    if name in ("HEIC", "JPEG XL") and find_spec("pillow_heif"):
        assert error.kind == "damaged"  # the extra reads this format
        return
    assert error.kind == "unsupported-format"
    assert name in error.message


def test_all_formats_does_not_include_eps() -> None:
    limits = DecodeLimits(all_formats=True)
    assert decoded(file_of(photograph(), "JPEG2000"), limits=limits).format == "JPEG2000"
    assert refusal(file_of(photograph(), "EPS"), limits).kind == "unsupported-format"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("part", [0.99, 0.9, 0.5, 0.2])
def test_cut_files_are_refused(form: str, part: float) -> None:
    data = file_of(photograph(640, 480), form)
    assert refusal(data[: int(len(data) * part)]).kind in ("truncated", "damaged")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "PPM"])
def test_files_cut_within_the_pixels_are_reported_as_truncated(form: str) -> None:
    data = file_of(photograph(640, 480), form)
    assert refusal(data[: int(len(data) * 0.7)]).kind == "truncated"


def test_truncated_files_are_decoded_on_request() -> None:
    data = file_of(photograph(640, 480), "JPEG")
    limits = DecodeLimits(accept_truncated=True)
    assert decoded(data[: len(data) // 2], limits=limits).width == 640
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert refusal(data[: len(data) // 2]).kind == "truncated"


def test_a_damaged_header_is_explained() -> None:
    error = refusal(PNG[:12] + b"IDAT" + PNG[16:])
    assert error.kind == "damaged"
    assert "PNG opening failed" in error.message


def test_a_header_alone_is_damaged() -> None:
    assert refusal(b"\xff\xd8\xff\xe0").kind in ("damaged", "truncated")
    assert refusal(PNG[:8] + b"garbage").kind in ("damaged", "truncated")


def test_the_pixel_limit_is_checked_before_allocation(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(30000, 30000, 10))
    script = """
import resource, sys
from vecsim.decode import decode_image
from vecsim.errors import ImageError
from vecsim.protocols import Preparation
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_image(data, Preparation(32, "nearest"))
except ImageError as error:
    print(error.kind, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20000)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "bomb.png")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["too-large", "True"]
    assert run.stderr == ""


def test_pixel_limit_is_inclusive() -> None:
    data = file_of(Image.new("RGB", (100, 100)))
    assert decoded(data, limits=DecodeLimits(max_pixels=10_000)).width == 100
    error = refusal(data, DecodeLimits(max_pixels=9_999))
    assert error.kind == "too-large"
    assert "9,999" in error.message


def test_warnings_are_collected_and_not_shown() -> None:
    data = file_of(photograph(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + bytes(5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = decoded(data)
    assert result.warnings
    assert "EXIF" in result.warnings[0]


def test_global_settings_of_pillow_are_restored() -> None:
    before = Image.MAX_IMAGE_PIXELS
    decoded(PNG, limits=DecodeLimits(max_pixels=10**9))
    refusal(b"", DecodeLimits(max_pixels=5))
    assert before == Image.MAX_IMAGE_PIXELS


def test_threads_with_different_limits_do_not_interfere() -> None:
    cut = JPEG[: len(JPEG) // 2]
    lenient = DecodeLimits(accept_truncated=True)

    def work(number: int) -> bool:
        if number % 2:
            return decoded(cut, limits=lenient).width == 160
        return refusal(cut).kind == "truncated"

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(200)))


def test_a_decoder_process_imports_no_large_library() -> None:
    script = "import sys, vecsim.decode.template, vecsim.decode.worker; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    large = {"tensorflow", "faiss", "requests", "sqlite3", "click", "pandas", "scipy", "ssl"}
    assert not large & set(run.stdout.split())
