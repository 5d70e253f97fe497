"""Files with faults beside their pixels, through the real command."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from support.commands import run_here
from support.pictures import file_of, photograph
from vecsim.decode.template import close_template

PNG = file_of(photograph())
JPEG = file_of(photograph(), "JPEG", quality=90)
TEXT = zlib.compress(b"workflow " * 400_000)


def _chunk(name: bytes, body: bytes, flip: int = 0) -> bytes:
    checksum = zlib.crc32(name + body) ^ flip
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def _png_with(chunk: bytes) -> bytes:
    place = PNG.index(b"IDAT") - 4
    return PNG[:place] + chunk + PNG[place:]


FILES = {
    "text.png": _png_with(_chunk(b"zTXt", b"prompt\0\0" + TEXT)),
    "xmp.png": _png_with(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TEXT)),
    "profile.png": _png_with(_chunk(b"iCCP", b"big\0\0" + zlib.compress(bytes(3_000_000)))),
    "size-checksum.png": _png_with(_chunk(b"pHYs", bytes(9), flip=1)),
    "text-checksum.png": _png_with(_chunk(b"tEXt", b"a\0b", flip=1)),
    "no-end.jpg": JPEG[:-2],
    "lines-before.jpg": b"\r\n" + JPEG,
    "broken-profile.jpg": file_of(photograph(), "JPEG", icc_profile=b"nonsense"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    (made / "cut.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    return made


def _listed(index: Path, *options: str) -> dict[str, dict[str, str]]:
    lines = run_here("failures", index, *options, "-f", "jsonl").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {Path(row["id"]).name: row for row in rows}


def test_faults_beside_the_pixels_are_warnings(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    said = run_here("build-index", index, folder, "--model", "phash", status=3)
    assert f"{len(FILES)} added, 1 failed" in said
    assert f"{len(FILES)} decoded with warnings" in said
    assert set(_listed(index)) == {"cut.jpg"}
    assert set(_listed(index, "--warnings")) == set(FILES)


def test_faults_beside_the_pixels_are_failures_with_strict(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    run_here("build-index", index, folder, "--model", "phash", "--strict", status=3)
    assert set(_listed(index)) == {*FILES, "cut.jpg"}


def test_strict_excludes_accept_truncated(folder: Path, tmp_path: Path) -> None:
    arguments = ("build-index", tmp_path / "index", folder, "--strict", "--accept-truncated")
    assert "not both" in run_here(*arguments, status=2)


def _heic_of_a_phone(folder: Path) -> None:
    """Write a HEIC, the same under the name of a JPEG, and a PNG."""
    pillow_heif = pytest.importorskip("pillow_heif")
    photo = pillow_heif.from_pillow(photograph())
    photo.save(folder / "IMG_1.heic")
    (folder / "IMG_2.jpg").write_bytes((folder / "IMG_1.heic").read_bytes())
    (folder / "photo.png").write_bytes(PNG)


def test_heic_is_decoded_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    _heic_of_a_phone(tmp_path / "pictures")
    said = run_here("build-index", tmp_path / "index", tmp_path / "pictures", "--model", "phash")
    assert "3 added" in said
    pairs = run_here("match", tmp_path / "index", "-f", "jsonl").splitlines()
    assert len([line for line in pairs if line.startswith("{")]) == 3


def test_heic_without_its_package_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    _heic_of_a_phone(tmp_path / "pictures")
    for package in ("pillow_heif", "pillow_jxl"):
        (tmp_path / f"{package}.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(str(tmp_path))
    close_template()  # decoders are forked from a process that has imported the packages
    try:
        index = tmp_path / "index"
        build = ("build-index", index, tmp_path / "pictures", "--model", "phash")
        assert "1 added, 2 failed (2 unsupported-format)" in run_here(*build, status=3)
        for row in _listed(index).values():
            assert "is HEIC, which needs pillow-heif: pip install 'vecsim[heif]'" in row["message"]
    finally:
        close_template()
