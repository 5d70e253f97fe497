"""Decoded pictures look as a person sees them, whatever the file stores."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from support.pictures import decoded, file_of, photograph
from vecsim.decode.transform import on_white

WHITE = (255, 255, 255)


def test_nearest_equals_keras_load_img(shared: Path) -> None:
    """Bit-equal for upright JPEGs; Keras does not apply EXIF orientation."""
    compared = 0
    for path in sorted((shared / "near-duplicates/imagededup/base_images").glob("*.jpg")):
        with Image.open(path) as image:
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                continue
            expected = image.convert("RGB").resize((224, 224), Image.Resampling.NEAREST)
            size = image.size
        result = decoded(path.read_bytes(), 224)
        assert np.array_equal(result.pixels, np.asarray(expected))
        assert (result.width, result.height, result.format) == (*size, "JPEG")
        assert result.warnings == ()
        compared += 1
    assert compared >= 5


def test_lanczos_equals_pillow() -> None:
    image = photograph()
    expected = np.asarray(image.resize((48, 48), Image.Resampling.LANCZOS))
    assert np.array_equal(decoded(file_of(image), 48, "lanczos").pixels, expected)


@pytest.mark.parametrize("size", [48, 32, 97])
def test_smooth_is_close_to_bilinear(size: int) -> None:
    image = photograph()
    expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    assert abs(decoded(file_of(image), size, "smooth").pixels - expected).mean() < 1


def test_mode_l_gives_gray_pixels() -> None:
    image = photograph()
    result = decoded(file_of(image), mode="L")
    assert result.pixels.shape == (32, 32)
    gray = image.convert("L").resize((32, 32), Image.Resampling.NEAREST)
    assert np.array_equal(result.pixels, np.asarray(gray))
    assert np.array_equal(decoded(file_of(image.convert("L")), mode="L").pixels, np.asarray(gray))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    image = photograph()
    undone_by = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # PIL.Image.Transpose, by EXIF value
    stored = image
    if orientation in undone_by:
        inverse = {2: 4, 4: 2}.get(undone_by[orientation], undone_by[orientation])
        stored = image.transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if form in ("WEBP", "AVIF") else {}
    result = decoded(file_of(stored, form, exif=exif, **options), 64)
    assert (result.width, result.height) == image.size
    expected = np.asarray(image.resize((64, 64), Image.Resampling.NEAREST)).astype(int)
    assert abs(result.pixels - expected).mean() < (3 if options else 1e-9)


def test_converting_after_nearest_resize_changes_no_pixel() -> None:
    """Modes are converted after the nearest-neighbour resize, which must not change a pixel."""
    image = photograph()
    faded = image.copy()
    faded.putalpha(image.convert("L"))
    for mode in ("P", "1", "L", "CMYK", "YCbCr", "LAB"):
        stored = image.convert(mode) if mode != "LAB" else Image.merge("LAB", image.split())
        data = file_of(stored, "TIFF")
        with Image.open(io.BytesIO(data)) as again:
            whole = on_white(again, "RGB").resize((50, 50), Image.Resampling.NEAREST)
        assert np.array_equal(decoded(data, 50).pixels, np.asarray(whole)), mode
    for stored in (faded, faded.convert("LA"), faded.quantize()):
        data = file_of(stored)
        with Image.open(io.BytesIO(data)) as again:
            whole = on_white(again, "RGB").resize((50, 50), Image.Resampling.NEAREST)
        assert np.array_equal(decoded(data, 50).pixels, np.asarray(whole)), stored.mode


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_invalid_exif_orientations_are_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photograph()
    result = decoded(file_of(image, "PNG", exif=exif))
    assert np.array_equal(result.pixels, decoded(file_of(image)).pixels)


def test_phone_photographs_are_turned_upright(shared: Path) -> None:
    """Four photographs of one desk with the phone in four orientations: the lamp is at the top."""
    for path in sorted((shared / "near-duplicates/pdq/exif-rotn").glob("*.jpg")):
        pixels = decoded(path.read_bytes(), 64, "smooth", "L").pixels.astype(int)
        third = slice(16, 48)
        assert pixels[:8, third].mean() > pixels[-24:-8, third].mean() + 20, path.name
        assert pixels[third, -24:].mean() > pixels[third, 16:32].mean() - 60


def test_transparency_is_laid_on_white() -> None:
    for alpha in (0, 64, 255):
        image = Image.new("RGBA", (8, 8), (200, 40, 0, alpha))
        expected = [round(c * alpha / 255 + 255 * (255 - alpha) / 255) for c in (200, 40, 0)]
        for form in ("PNG", "WEBP", "TIFF", "AVIF"):
            options = {"lossless": True} if form == "WEBP" else {}
            pixels = decoded(file_of(image, form, **options)).pixels.astype(int)
            assert abs(pixels - expected).max() <= (3 if form == "AVIF" else 1), form


def test_transparency_of_palettes_gray_pictures_and_colour_keys() -> None:
    palette = Image.new("P", (8, 8))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 1)
    for form in ("PNG", "GIF"):
        pixels = decoded(file_of(palette, form, transparency=0), 8).pixels
        assert tuple(pixels[0, 0]) == (40, 50, 60)
        assert tuple(pixels[7, 7]) == WHITE
    soft = decoded(file_of(palette, "PNG", transparency=b"\x80\xff"), 8).pixels
    assert abs(soft[7, 7].astype(int) - (132, 137, 142)).max() <= 1
    gray = Image.new("LA", (8, 8), (0, 128))
    assert abs(int(decoded(file_of(gray)).pixels[0, 0, 0]) - 127) <= 1
    keyed = Image.new("RGB", (8, 8), (1, 2, 3))
    keyed.putpixel((0, 0), (9, 9, 9))
    pixels = decoded(file_of(keyed, "PNG", transparency=(1, 2, 3)), 8).pixels
    assert (tuple(pixels[0, 0]), tuple(pixels[7, 7])) == ((9, 9, 9), WHITE)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    image = Image.fromarray(ramp.astype(np.uint16))
    expected = np.rint(ramp.astype(np.uint16) / 257).astype(np.uint8)
    for form in ("PNG", "TIFF", "PPM"):
        pixels = decoded(file_of(image, form), 64).pixels
        assert np.array_equal(pixels, np.dstack([expected] * 3)), form
    hidden = image.copy()
    hidden.info["transparency"] = 0
    assert decoded(file_of(hidden, "PNG", transparency=0), 64).pixels[0, 0, 0] == 255


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    image = Image.fromarray(np.full((8, 8), 2570, np.uint16))
    for form in ("PNG", "TIFF", "PPM"):
        assert decoded(file_of(image, form)).pixels.max() == 10


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floats_of_a_known_range_are_scaled_by_it(white: float) -> None:
    ramp = np.linspace(0, white, 64 * 64, dtype=np.float32).reshape(64, 64)
    pixels = decoded(file_of(Image.fromarray(ramp), "TIFF"), 64).pixels
    assert abs(pixels[..., 0] - ramp * (255 / white)).max() <= 0.51


def test_other_floats_are_stretched_and_infinities_clipped() -> None:
    ramp = np.linspace(-3, 7, 64 * 64, dtype=np.float32).reshape(64, 64)
    ramp[0, 1], ramp[0, 2], ramp[0, 3] = np.nan, np.inf, -np.inf
    pixels = decoded(file_of(Image.fromarray(ramp), "TIFF"), 64).pixels[..., 0]
    assert (pixels[0, 0], pixels[0, 1], pixels[0, 2], pixels[0, 3]) == (0, 0, 255, 0)
    assert pixels[63, 63] == 255
    nothing = np.full((8, 8), np.nan, np.float32)
    assert decoded(file_of(Image.fromarray(nothing), "TIFF")).pixels.max() == 0


def test_one_bit_cmyk_and_lab_are_converted_to_rgb() -> None:
    pattern = Image.new("1", (8, 8), 1)
    pattern.putpixel((0, 0), 0)
    for form in ("PNG", "PPM", "TIFF", "GIF", "BMP"):
        pixels = decoded(file_of(pattern, form), 8).pixels
        assert (tuple(pixels[0, 0]), tuple(pixels[7, 7])) == ((0, 0, 0), WHITE), form
    cmyk = decoded(file_of(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert abs(cmyk.pixels[0, 0].astype(int) - (255, 0, 0)).max() <= 2
    lab = decoded(file_of(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"))
    assert lab.pixels.min() > 250


def test_the_first_frame_is_taken() -> None:
    first, second = photograph(seed=1), photograph(seed=2)
    for form in ("GIF", "WEBP", "TIFF", "PNG", "AVIF", "MPO"):
        options = {"lossless": True} if form == "WEBP" else {}
        data = file_of(first, form, save_all=True, append_images=[second], **options)
        result = decoded(data, 64, "smooth")
        expected = np.asarray(first.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
        assert abs(result.pixels - expected).mean() < 12, form
        assert result.format == form


def test_all_modes_of_one_picture_look_alike(shared: Path) -> None:
    folder = shared / "near-duplicates/pdq/modes"
    original = decoded((folder / "original.jpg").read_bytes(), 64, "smooth", "L").pixels.astype(int)
    for path in sorted(folder.iterdir()):
        pixels = decoded(path.read_bytes(), 64, "smooth", "L").pixels
        assert abs(pixels - original).mean() < 4.5, path.name


def test_all_formats_of_one_picture_look_alike(shared: Path) -> None:
    folder = shared / "near-duplicates/imagededup/formats_images"
    same = sorted(folder.glob("ukbench09380.*"))
    first = decoded(same[0].read_bytes(), 64, "smooth").pixels.astype(int)
    for path in same:
        assert abs(decoded(path.read_bytes(), 64, "smooth").pixels - first).mean() < 2, path.name
    found = {path.name: decoded(path.read_bytes()).format for path in folder.iterdir()}
    assert found["baboon.pgm"] == found["Iggy.1024.ppm"] == found["marbles.pbm"] == "PPM"
    assert (found["giphy.gif"], found["copyleft.tiff"]) == ("GIF", "TIFF")


def test_a_jpeg_decoded_at_reduced_size_reports_its_full_size() -> None:
    data = file_of(photograph(1600, 1200), "JPEG", quality=95)
    reduced = decoded(data, 64, "smooth")
    assert (reduced.width, reduced.height) == (1600, 1200)
    with Image.open(io.BytesIO(data)) as whole:
        full = np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR))
    assert abs(reduced.pixels.astype(int) - full).mean() < 2
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file_of(photograph(1600, 1200), "JPEG", exif=exif)
    result = decoded(turned, 64, "smooth")
    assert (result.width, result.height) == (1200, 1600)


def test_decoding_twice_gives_the_same_bytes(shared: Path) -> None:
    data = (shared / "near-duplicates/pdq/bridge-mods/aaa-orig.jpg").read_bytes()
    for resample in ("nearest", "smooth", "lanczos"):
        first, second = decoded(data, 224, resample), decoded(data, 224, resample)
        assert first.pixels.tobytes() == second.pixels.tobytes()
