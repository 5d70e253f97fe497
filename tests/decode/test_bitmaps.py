"""BMP files that browsers show and Pillow refuses: masks of any channels, odd palettes, headers."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.pictures import decoded, file_of, photograph, refusal
from vecsim.decode import DecodeLimits
from vecsim.decode.bitmaps import rewritten_bitmap

PICTURE = photograph(45, 30)
MASKS = {
    "RGB in another order": (32, (0xFF00, 0xFF, 0xFF0000)),
    "eleven and ten bits": (32, (0xFFE00000, 0x1FFC00, 0x3FF)),
    "two, three and one bit": (16, (0b110000, 0b1110, 0b1)),
    "four bits and alpha": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "eight bits and alpha": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
}


def _bmp(bits: int, compression: int, palette: bytes, rows: np.ndarray, colours: int = 0) -> bytes:
    """A BMP of `rows`, bytes (h, stride), the lowest row first."""
    offset = 54 + len(palette)
    size = struct.pack("<IiiHHII", 40, PICTURE.width, PICTURE.height, 1, bits, compression, 0)
    head = b"BM" + struct.pack("<III", offset + rows.size, 0, offset) + size
    return head + struct.pack("<iiII", 2835, 2835, colours, 0) + palette + rows.tobytes()


def _masked(bits: int, masks: tuple[int, ...]) -> tuple[bytes, np.ndarray]:
    """`PICTURE` with these masks, half transparent where there are four; and its pixels."""
    values = np.asarray(PICTURE.convert("RGBA" if len(masks) == 4 else "RGB")).astype(np.uint64)
    if len(masks) == 4:
        values[:, ::2, 3] = 0
    words = np.zeros(values.shape[:2], np.uint64)
    kept = np.zeros_like(values)
    for channel, mask in enumerate(masks):
        shift = (mask & -mask).bit_length() - 1
        most = mask >> shift
        part = values[..., channel] * most // 255
        words |= part << np.uint64(shift)
        kept[..., channel] = (part * 255 + most // 2) // most
    rows = words.astype(f"<u{bits // 8}")[::-1]
    padded = np.pad(rows, ((0, 0), (0, rows.shape[1] * bits // 8 % 4 // (bits // 8))))
    compression = 6 if len(masks) == 4 else 3
    named = struct.pack(f"<{len(masks)}I", *masks)
    return _bmp(bits, compression, named, np.ascontiguousarray(padded).view(np.uint8)), kept


@pytest.mark.parametrize("name", MASKS)
def test_any_masks_of_the_channels_are_read(name: str) -> None:
    data, expected = _masked(*MASKS[name])
    found = decoded(data, 30)
    form = "RGBA" if expected.shape[2] == 4 else "RGB"
    sound = decoded(file_of(Image.fromarray(expected.astype(np.uint8), form)), 30)
    assert np.array_equal(found.pixels, sound.pixels)
    assert (found.width, found.height) == PICTURE.size
    assert found.warnings[0].startswith("the colours of the BMP were converted: ")
    assert refusal(data, DecodeLimits(strict=True)).kind == "damaged"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_bitmaps_with_palettes_are_read(bits: int) -> None:
    chance = np.random.default_rng(bits)
    palette = chance.integers(0, 256, (300 if bits == 8 else 1 << bits, 4), np.uint8)
    indices = chance.integers(0, 1 << bits, (PICTURE.height, PICTURE.width), np.uint8)
    each = 8 // bits
    stride = (PICTURE.width * bits + 31) // 32 * 4
    padded = np.pad(indices[::-1], ((0, 0), (0, stride * each - PICTURE.width)))
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    rows = (padded.reshape(PICTURE.height, stride, each) << shifts).sum(2, dtype=np.uint8)
    data = _bmp(bits, 0, palette.tobytes(), rows, len(palette))
    expected = file_of(Image.fromarray(palette[indices][..., 2::-1].copy()))
    assert np.array_equal(decoded(data, 30).pixels, decoded(expected, 30).pixels)


def test_bitmaps_that_are_cut_or_too_large_or_of_no_known_kind_are_failures() -> None:
    data, _ = _masked(*MASKS["two, three and one bit"])
    assert refusal(data[:-1]).kind in ("damaged", "truncated")
    assert refusal(data[:40]).kind in ("damaged", "truncated")
    small = DecodeLimits(max_pixels=PICTURE.width * PICTURE.height - 1)
    assert refusal(data, small).kind in ("damaged", "too-large")
    for position, value in ((14, 41), (28, 24), (30, 4), (18, 0)):
        other = bytearray(data)
        struct.pack_into("<H", other, position, value)
        assert rewritten_bitmap(bytes(other)) is None


def test_bitmaps_of_the_shared_data_that_browsers_show(shared: Path) -> None:
    """Each shows the picture of the suite, in as many colours as it has."""
    folder = shared / "hostile-images" / "bmp"
    whole, indexed = (decoded((folder / name).read_bytes()) for name in ("rgb24.bmp", "pal8.bmp"))
    for name, expected, most in (
        ("rgb32bf", whole, 0),
        ("rgb32-111110", whole, 0.01),
        ("rgba32abf", whole, 12),
        ("rgba16-4444", whole, 16),
        ("rgb16-231", whole, 60),
        ("pal8os2v2-16", indexed, 0),
        ("pal8oversizepal", indexed, 0),
        ("badpalettesize", indexed, 0),
        ("pal2", indexed, 60),
    ):
        found = decoded((folder / f"{name}.bmp").read_bytes())
        difference = abs(found.pixels.astype(int) - expected.pixels).mean()
        assert difference <= most, name
