"""HEIC and JPEG XL: decoded where the extra is installed, named where it is not."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.mutants import mutants
from support.pictures import photograph
from vecsim.decode import DecodeLimits, DecoderPool, decode_image
from vecsim.decode.extra_formats import extra_format, jpeg_xl_size
from vecsim.errors import ImageError
from vecsim.protocols import Preparation

PREPARATION = Preparation(64, "smooth")
SIZES = [(160, 120), (120, 160), (256, 256), (8, 8), (1, 1), (333, 777), (1920, 1080), (1280, 960)]


def _box(brands: str) -> bytes:
    """The first box of a file with these brands, four letters each."""
    major, *others = brands.split()
    body = major.encode() + bytes(4) + "".join(others).encode()
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (_box("heic mif1 heic"), "HEIC"),
        (_box("mif1 mif1 heic"), "HEIC"),
        (_box("heix"), "HEIC"),
        (_box("hevc"), "HEIC"),
        (_box("mif1 mif1 miaf"), "HEIF"),
        (_box("avif mif1"), None),
        (_box("mif1 avif"), None),
        (_box("avis mif1 avif iso4"), None),
        (_box("isom mp42"), None),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\xd8\xff", None),
        (b"", None),
        (b"\0\0\0\1ftyp", None),
    ],
)
def test_formats_by_content(data: bytes, name: str | None) -> None:
    assert extra_format(data) == name


@pytest.mark.parametrize(("data", "name"), [(_box("heic mif1"), "HEIC"), (b"\xff\x0a", "JPEG XL")])
def test_a_missing_package_is_named(data: bytes, name: str) -> None:
    script = (
        "import sys; sys.modules.update(pillow_heif=None, pillow_jxl=None)\n"
        "from vecsim.decode import decode_image\n"
        "from vecsim.errors import ImageError\n"
        "from vecsim.protocols import Preparation\n"
        f"try: decode_image({data!r} + bytes(99), Preparation(8, 'smooth'))\n"
        "except ImageError as error: print(error.kind, error.message)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"unsupported-format the image format is {name}, which needs")
    assert "vecsim[heif]" in run.stdout


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of `picture` as HEIF or JXL; skips the test without the packages."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["HEIF", "JXL"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.ci
def test_pictures_are_decoded(form: str, size: tuple[int, int]) -> None:
    picture = photograph(*size)
    data = _saved(picture, form, quality=95)
    found = decode_image(data, PREPARATION, thumbnail_side=160)
    assert (found.width, found.height, found.format) == (*size, form)
    assert found.thumbnail
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    if min(size) >= 64:
        assert abs(found.pixels - expected).mean() < 6


@pytest.mark.parametrize("form", ["HEIF", "JXL"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _saved(photograph(), form, exif=exif.tobytes(), quality=95)
    found = decode_image(data, PREPARATION)
    turned = {
        1: photograph(),
        3: photograph().transpose(Image.Transpose.ROTATE_180),
        6: photograph().transpose(Image.Transpose.ROTATE_270),
        8: photograph().transpose(Image.Transpose.ROTATE_90),
    }[orientation]
    assert (found.width, found.height) == turned.size
    expected = np.asarray(turned.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
    assert abs(found.pixels - expected).mean() < 6


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.ci
def test_the_size_of_a_jpeg_xl_is_read_from_its_header(
    size: tuple[int, int], container: bool
) -> None:
    data = _saved(photograph(*size), "JXL", use_container=container)
    assert jpeg_xl_size(data) == size


@pytest.mark.parametrize("form", ["HEIF", "JXL"])
def test_pictures_with_too_many_pixels_are_refused(form: str) -> None:
    data = _saved(photograph(400, 300), form)
    with pytest.raises(ImageError) as caught:
        decode_image(data, PREPARATION, DecodeLimits(max_pixels=50_000))
    assert caught.value.kind == "too-large"


@pytest.mark.parametrize("form", ["HEIF", "JXL"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.99])
def test_cut_files_are_failures(form: str, share: float) -> None:
    data = _saved(photograph(), form)
    with pytest.raises(ImageError) as caught:
        decode_image(data[: int(len(data) * share)], PREPARATION)
    assert caught.value.kind in ("damaged", "truncated")


@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=pytest.mark.slow)])
def test_damaged_files_end_in_a_picture_or_a_failure(count: int) -> None:
    originals = [_saved(photograph(), form) for form in ("HEIF", "JXL")]
    limits = DecodeLimits(max_pixels=10_000_000, memory=600 << 20)
    kinds = set()
    with DecoderPool(2, PREPARATION, limits) as pool:
        for future in [pool.submit(data) for data in mutants(originals, count)]:
            error = future.exception(120)
            kinds.add("ok" if error is None else str(getattr(error, "kind", error)))
    assert kinds <= {
        "ok",
        "damaged",
        "truncated",
        "not-an-image",
        "too-large",
        "unsupported-format",
    }


def test_a_heic_fixture_is_decoded(shared: Path) -> None:
    pytest.importorskip("pillow_heif")
    data = (shared / "hostile-images" / "avif" / "hopper.heif").read_bytes()
    assert decode_image(data, PREPARATION).format == "HEIF"
