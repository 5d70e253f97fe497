"""Faults beside the pixels are not faults of the pixels: such files are decoded, with a warning."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.mutants import mutants
from support.pictures import file_of, photograph
from vecsim.decode import DecodeLimits, decode_image
from vecsim.errors import ImageError, UsageError
from vecsim.protocols import Preparation
from vecsim.records import Decoded

PREPARATION = Preparation(64, "smooth")
PICTURE = photograph()
PNG, JPEG = file_of(PICTURE), file_of(PICTURE, "JPEG", quality=90)
LARGE = zlib.compress(b"workflow " * 400_000)  # 3.6 MB


def _chunk(name: bytes, body: bytes, *, right: bool = True) -> bytes:
    checksum = zlib.crc32(name + body) ^ (0 if right else 1)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def _png_with(*chunks: bytes, at_end: bool = False) -> bytes:
    """`PNG` with chunks before its pixels, or after them."""
    place = PNG.index(b"IEND" if at_end else b"IDAT") - 4
    return PNG[:place] + b"".join(chunks) + PNG[place:]


def _jpeg_with(marker: int, body: bytes) -> bytes:
    """`JPEG` with a segment at its begin, instead of its JFIF segment."""
    (length,) = struct.unpack_from(">H", JPEG, 4)
    return JPEG[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + JPEG[4 + length :]


def _decode(data: bytes, **limits: bool) -> Decoded:
    return decode_image(data, PREPARATION, DecodeLimits(**limits))


FAULTS = {
    "text of 3.6 MB": _png_with(_chunk(b"zTXt", b"prompt\0\0" + LARGE)),
    "international text of 3.6 MB": _png_with(_chunk(b"iTXt", b"xmp\0\1\0\0\0" + LARGE)),
    "text of 3.6 MB after the pixels": _png_with(_chunk(b"zTXt", b"a\0\0" + LARGE), at_end=True),
    "70 MB of text": _png_with(*[_chunk(b"tEXt", b"a\0" + b"x" * 10_000_000)] * 7),
    "profile of 3 MB": _png_with(_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(3_000_000)))),
    "compression of a profile": _png_with(_chunk(b"iCCP", b"x\0\1" + zlib.compress(b"x"))),
    "checksum of a text": _png_with(_chunk(b"tEXt", b"a\0b", right=False)),
    "checksum of a size": _png_with(_chunk(b"pHYs", bytes(9), right=False)),
    "checksum of transparency": _png_with(_chunk(b"tRNS", bytes(6), right=False)),
    "short size": _png_with(_chunk(b"pHYs", bytes(4))),
    "short gamma": _png_with(_chunk(b"gAMA", b"\0")),
    "frames out of order": _png_with(
        _chunk(b"acTL", struct.pack(">II", 2, 0)), _chunk(b"fcTL", struct.pack(">I", 7) + bytes(22))
    ),
    "no end chunk, half of another": PNG[:-12] + struct.pack(">I4s", 100, b"IDAT"),
    "no end marker": JPEG[:-2],
    "half an end marker": JPEG[:-1],
    "short JFIF": _jpeg_with(0xE0, b"JFIF\0"),
    "short Adobe": _jpeg_with(0xEE, b"Adobe\0"),
    "lines before a JPEG": b"\r\n\r\n" + JPEG,
    "byte order mark before a PNG": b"\xef\xbb\xbf" + PNG,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_beside_the_pixels_is_a_warning(fault: str) -> None:
    data = FAULTS[fault]
    sound = _decode(PNG if b"PNG" in data[:8] else JPEG)
    found = _decode(data)
    assert np.array_equal(found.pixels, sound.pixels)
    assert (found.width, found.height, found.format) == (*PICTURE.size, sound.format)
    assert sound.warnings == ()
    assert len(found.warnings) in (1, 2), found.warnings


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_beside_the_pixels_is_a_failure_where_none_is_accepted(fault: str) -> None:
    with pytest.raises(ImageError) as caught:
        _decode(FAULTS[fault], strict=True)
    assert caught.value.kind in ("damaged", "truncated", "not-an-image")


def test_orientation_and_transparency_survive_the_repair() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sound = file_of(PICTURE.quantize(16), exif=exif, transparency=3)
    place = sound.index(b"IDAT") - 4
    data = sound[:place] + _chunk(b"zTXt", b"a\0\0" + LARGE) + sound[place:]
    assert np.array_equal(_decode(data).pixels, _decode(sound).pixels)
    assert _decode(data).width == PICTURE.height


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [40, 400, 2000])
def test_a_jpeg_without_all_its_rows_is_truncated(progressive: bool, lost: int) -> None:
    data = file_of(PICTURE, "JPEG", quality=95, progressive=progressive)
    with pytest.raises(ImageError) as caught:
        _decode(data[:-lost])
    assert caught.value.kind == "truncated"
    with pytest.raises(ImageError):
        _decode(data[: -len(data) // 2])


def test_each_length_of_a_jpeg_is_the_whole_picture_or_truncated() -> None:
    """However a download is cut, no picture with grey rows is taken for the whole one."""
    data = file_of(photograph(48, 40), "JPEG", quality=80, subsampling=0)
    whole = np.asarray(Image.open(io.BytesIO(data)))
    preparation = Preparation(48, "nearest")
    rows = ((np.arange(48) + 0.5) * 40 / 48).astype(int)
    accepted = 0
    for end in range(len(data) - 1, len(data) // 2, -1):
        try:
            pixels = decode_image(data[:end], preparation).pixels
        except ImageError as error:
            assert error.kind == "truncated"
            continue
        accepted += 1
        assert np.array_equal(pixels, whole[rows]), end
    assert 2 <= accepted <= 4


@pytest.mark.parametrize("name", ["IHDR", "IDAT"])
def test_damage_of_the_pixels_themselves_is_a_failure(name: str) -> None:
    place = PNG.index(name.encode()) + 8
    data = bytearray(PNG)
    data[place + 4] ^= 0x55
    with pytest.raises(ImageError) as caught:
        _decode(bytes(data))
    assert caught.value.kind in ("damaged", "truncated", "too-large")


def test_exif_data_that_does_not_parse_is_a_warning() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker" * 10
    bad = bytearray(file_of(PICTURE, "JPEG", exif=exif))
    place = bad.index(b"Exif\0\0") + 6
    bad[place : place + 8] = b"MM\0*\xff\xff\xff\xff"  # an offset beyond the data
    found = _decode(bytes(bad))
    assert found.warnings
    assert np.array_equal(found.pixels, _decode(file_of(PICTURE, "JPEG")).pixels)
    with pytest.raises(ImageError, match=r"EXIF|Truncated"):
        _decode(bytes(bad), strict=True)


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200, bytes(range(256)) * 20])
def test_a_broken_colour_profile_is_a_warning(profile: bytes) -> None:
    data = file_of(PICTURE, "JPEG", icc_profile=profile)
    found = _decode(data)
    assert any("colour profile" in warning for warning in found.warnings)
    assert np.array_equal(found.pixels, _decode(file_of(PICTURE, "JPEG")).pixels)
    with pytest.raises(ImageError, match="colour profile"):
        _decode(data, strict=True)


def test_strictness_and_accepting_cut_files_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="not both"):
        DecodeLimits(strict=True, accept_truncated=True)


def test_sound_files_with_damaged_metadata_are_never_refused() -> None:
    """Random changes within text, profile and EXIF of each format change no pixel."""
    chance = random.Random(2)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    blocks = [b"m" * 300, exif.tobytes(), bytes(range(200))]
    for form in ("PNG", "JPEG", "WEBP"):
        sound = _decode(file_of(PICTURE, form)).pixels
        for _ in range(60):
            seed = chance.randrange(10**6)
            text, exif_data, profile = (next(mutants([block], 1, seed)) for block in blocks)
            options = {"exif": b"Exif\0\0" + exif_data, "icc_profile": profile}
            if form == "JPEG":
                options["comment"] = text
            assert np.array_equal(_decode(file_of(PICTURE, form, **options)).pixels, sound)


def test_repaired_fixtures_look_as_they_should(shared: Path) -> None:
    folder = shared / "hostile-images"
    for name in ("truncated_jpeg.jpg", "apng/chunk_no_fctl.png", "truncated_end_chunk.png"):
        data = (folder / name).read_bytes()
        assert _decode(data).warnings
        with pytest.raises(ImageError):
            _decode(data, strict=True)


@pytest.mark.parametrize("restart", [0, 1, 3])
def test_a_jpeg_that_is_cut_and_goes_on_with_other_bytes_is_truncated(restart: int) -> None:
    """Neither the next restart marker nor a marker of another kind hides that rows are missing."""
    options = {"restart_marker_rows": restart} if restart else {}
    data = file_of(photograph(128, 128), "JPEG", quality=80, **options)
    start = data.index(b"\xff\xda") + 14
    for share in (0.1, 0.3, 0.5):
        cut = data[: start + int((len(data) - start) * share)].rstrip(b"\xff")
        for tail in (b"", b"ENDFONT\n", b"\xff\x37" * 20, PNG[100:400].replace(b"\xff", b"")):
            with pytest.raises(ImageError):
                _decode(cut + tail)
    if restart:
        assert _decode(data[:-2]).warnings
