"""Encodings, and files of other formats."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from pathlib import Path
from types import ModuleType

import pytest

from vecsim.errors import InputError, UsageError
from vecsim.records import UnusableRef
from vecsim.sources import Reading, SourceOptions, read_source
from vecsim.sources.text import HEAD_BYTES

TEXT = "id,title,url\n1,Größe 鞋,https://shop.example/1.jpg\n"


def read(path: Path, encoding: str | None = None) -> list[tuple[str, str]]:
    found = read_source(path, SourceOptions(encoding=encoding))
    return [(ref.id, ref.fields["title"]) for ref in found]


def message(folder: Path, data: bytes, encoding: str | None = None) -> str:
    path = folder / "shop.csv"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(read_source(path, SourceOptions(encoding=encoding)))
    return str(caught.value)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_byte_order_mark_are_detected(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(TEXT.encode(codec))
    assert read(path) == [("1", "Größe 鞋")]


@pytest.mark.parametrize(
    ("codec", "option"),
    [
        ("gb18030", "gb18030"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "cp1252"),  # the byte order mark decides
        ("utf-16", "utf-16-le"),
    ],
)
def test_given_encodings_are_used_unless_a_mark_contradicts(
    tmp_path: Path, codec: str, option: str
) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(TEXT.encode(codec))
    assert read(path, option) == [("1", "Größe 鞋")]


def test_a_list_of_a_western_spreadsheet_is_read_as_cp1252(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes("id;url;title\r\n1;x.jpg;Größe\r\n2;y.jpg;été «5 €»\r\n".encode("cp1252"))
    reading = Reading()
    found = list(read_source(path, reading=reading))
    assert [ref.fields["title"] for ref in found] == ["Größe", "été «5 €»"]
    assert list(reading.notes.remarks) == [
        f"{path} is not all UTF-8: read as cp1252 where it is not, first in line 2."
    ]


def test_one_line_in_cp1252_does_not_spoil_the_others(tmp_path: Path) -> None:
    data = TEXT.encode() + "2,x,Größe.jpg\n".encode("cp1252") + "3,x,Füße.jpg\n".encode()
    path = tmp_path / "shop.csv"
    path.write_bytes(data)
    names = [Path(ref.url).name for ref in read_source(path)]
    assert names[-2:] == ["Größe.jpg", "Füße.jpg"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_undecodable_bytes_cost_their_own_row_only(tmp_path: Path, mark: bytes, end: bytes) -> None:
    rows = 3 * HEAD_BYTES // 12
    good = mark + b"id,url" + end + (b"1,x.jpg" + end) * rows
    path = tmp_path / "shop.csv"
    path.write_bytes(good + b"2,\xff.jpg" + end + b"3,y.jpg" + end)
    *_, bad, last = read_source(path)
    assert isinstance(bad, UnusableRef)
    assert bad.id == f"shop.csv line {rows + 2}"
    assert "bytes that are not utf-8 (ff, hex)" in bad.message
    assert last.id == "3"


def test_a_list_in_another_encoding_is_an_error_that_says_so(tmp_path: Path) -> None:
    rows = "".join(f"{n},туфли-{n}.jpg\n" for n in range(50))
    said = message(tmp_path, b"id,url\n" + rows.encode("cp1251"))
    assert "shop.csv line 2: bytes that are not utf-8" in said
    assert "encoding=" in said


@pytest.mark.parametrize("name", ["nonsense", "base64"])
def test_an_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "shop.csv"
    path.write_text(TEXT)
    with pytest.raises(UsageError, match=f"unknown encoding '{name}'"):
        read(path, name)


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_an_error(tmp_path: Path, data: bytes) -> None:
    assert "shop.csv is empty" in message(tmp_path, data)


def test_a_missing_file_is_an_error_at_once() -> None:
    with pytest.raises(InputError, match=r"no such file or folder: nowhere/shop\.csv"):
        read_source("nowhere/shop.csv")  # at once, before anything is read


def test_a_link_to_a_missing_file_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "shop.csv"
    link.symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="cannot read"):
        list(read_source(link))


def test_a_nul_byte_costs_its_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(TEXT.encode() + b"2,x,a\0b.jpg\n3,x,c.jpg\n")
    *_, bad, last = read_source(path)
    assert isinstance(bad, UnusableRef)
    assert "a NUL byte" in bad.message
    assert last.id == "3"


def test_utf_16_without_a_mark_is_recognised_in_the_error(tmp_path: Path) -> None:
    said = message(tmp_path, "id,url\n1,a.jpg\n".encode("utf-16-le"))
    assert 'encoding="utf-16-le"' in said
    said = message(tmp_path, "id,url\n1,a.jpg\n".encode("utf-16-be"))
    assert 'encoding="utf-16-be"' in said


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PK\x03\x04" + bytes(99), "an Excel workbook"),
        (b"\x1f\x8b\x08" + bytes(99), "damaged or cut short"),
        (b"PAR1" + bytes(99), "Parquet"),
        (b"SQLite format 3\0" + bytes(99), "SQLite"),
        (b"<!DOCTYPE html><html>", "web page"),
        (bytes(range(256)) * 4, "binary file"),
    ],
)
def test_files_of_other_formats_are_named_in_the_error(
    tmp_path: Path, data: bytes, name: str
) -> None:
    assert name in message(tmp_path, data)


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_a_compressed_list_is_read(tmp_path: Path, module: ModuleType) -> None:
    path = tmp_path / "shop.csv.packed"
    path.write_bytes(module.compress(TEXT.encode()))
    plain = tmp_path / "plain.csv"
    plain.write_text(TEXT)
    assert [(ref.id, ref.url) for ref in read_source(path)] == [
        (ref.id, ref.url) for ref in read_source(plain)
    ]


def test_a_list_compressed_with_zstd_is_read_with_pyarrow(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "shop.csv.zst"
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(b"id,url\n" + b"".join(b"%d,x.jpg\n" % n for n in range(50_000)))
    assert sum(1 for _ in read_source(path)) == 50_000


def test_a_compressed_list_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv.gz"
    packed = gzip.compress(b"id,url\n" + os.urandom(99).hex().encode() * 2_000)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="compressed with gzip, and damaged or cut short"):
        list(read_source(path))


def test_a_picture_is_a_source_of_one_image(shared: Path) -> None:
    (ref,) = read_source(shared / "seed-demo" / "1.jpg")
    assert ref.id == ref.url == str(shared / "seed-demo" / "1.jpg")


def test_a_line_above_the_limit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.sources.text.MAX_LINE", 1000)
    assert "line 2 is longer than" in message(tmp_path, b"id,url\n" + b"x" * 50_000)


def test_a_long_line_costs_its_own_row_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.sources.text.MAX_LINE", 1000)
    path = tmp_path / "shop.csv"
    path.write_bytes(b"id,url\n1,x.jpg\n" + b"2" * 200_000 + b",y.jpg\n3,z.jpg\n")
    first, bad, last = read_source(path)
    assert (first.id, last.id) == ("1", "3")
    assert isinstance(bad, UnusableRef)


class Trickle(io.RawIOBase):
    """A pipe that returns three bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data, self._rest = self._rest[:3], self._rest[3:]
        return data


def test_standard_input_is_read_and_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = b"id;url\n1;a.jpg\n2;https://x.example/b.jpg\n"
    stdin = Trickle(data)
    found = list(read_source("-", reading=Reading(stdin=stdin)))  # type: ignore[arg-type]
    assert [(ref.id, ref.url) for ref in found] == [
        ("1", str(tmp_path.resolve() / "a.jpg")),
        ("2", "https://x.example/b.jpg"),
    ]
    assert found[0].location == "standard input line 2"
    assert not stdin.closed


def test_json_lines_on_standard_input() -> None:
    (ref,) = read_source(
        "-", reading=Reading(stdin=io.BytesIO(b'\xef\xbb\xbf{"id": 1, "url": "https://x/y"}\n'))
    )
    assert (ref.id, ref.url) == ("1", "https://x/y")


def test_empty_standard_input_is_an_error() -> None:
    with pytest.raises(InputError, match="standard input is empty"):
        list(read_source("-", reading=Reading(stdin=io.BytesIO())))


def test_paths_in_a_named_pipe_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `vecsim add INDEX <(command)`: a pipe has no folder of its own."""
    import os

    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    pipe = tmp_path / "elsewhere" / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"id,url\n1,a.jpg\n",))
    writer.start()
    (ref,) = read_source(pipe)
    writer.join()
    assert ref.url == str(tmp_path.resolve() / "a.jpg")
