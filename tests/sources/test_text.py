"""Encodings, and files of other formats."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from vecsim.errors import InputError, UsageError
from vecsim.hints import Action, Hint
from vecsim.sources import SourceOptions, read_source
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


def test_undecodable_bytes_are_reported_with_line_and_offset(tmp_path: Path) -> None:
    before = TEXT.encode() + b"2,"
    said = message(tmp_path, before + "Größe,x".encode("cp1252"))
    assert "shop.csv line 3 is not utf-8" in said
    assert f"byte {len(before) + 2} is f6" in said
    assert 'encoding="cp1252"' in said


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_undecodable_bytes_far_into_the_file_are_located(
    tmp_path: Path, mark: bytes, end: bytes
) -> None:
    rows = 3 * HEAD_BYTES // 12
    good = mark + b"id,url" + end + (b"1,x.jpg" + end) * rows
    said = message(tmp_path, good + b"2,\xff.jpg" + end)
    assert f"line {rows + 2} is" in said
    assert f"byte {len(good) + 2:,} is ff" in said


def test_a_file_cut_in_the_middle_of_a_character_is_an_error(tmp_path: Path) -> None:
    said = message(tmp_path, TEXT.encode() + "2,ü".encode()[:-1])
    assert "line 3" in said


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


def test_a_nul_byte_is_an_error(tmp_path: Path) -> None:
    said = message(tmp_path, TEXT.encode() + b"2,a\0b,x.jpg\n")
    assert "line 3 holds a NUL byte" in said


def test_utf_16_without_a_mark_is_recognised_in_the_error(tmp_path: Path) -> None:
    said = message(tmp_path, "id,url\n1,a.jpg\n".encode("utf-16-le"))
    assert 'encoding="utf-16-le"' in said
    said = message(tmp_path, "id,url\n1,a.jpg\n".encode("utf-16-be"))
    assert 'encoding="utf-16-be"' in said


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "a JPEG image"),
        (b"PK\x03\x04" + bytes(99), "an Excel workbook"),
        (b"\x1f\x8b\x08" + bytes(99), "gzip"),
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


@pytest.mark.parametrize(
    ("data", "program"), [(b"\x1f\x8b", "zcat"), (b"BZh", "bzcat"), (b"\xfd7zXZ", "xzcat")]
)
def test_the_hint_for_a_compressed_file_names_a_program(
    tmp_path: Path, data: bytes, program: str
) -> None:
    path = tmp_path / "shop.csv.gz"
    path.write_bytes(data + bytes(99))
    with pytest.raises(InputError) as caught:
        list(read_source(path))
    assert caught.value.hint == Hint(Action.DECOMPRESS, program=program, file=path)
    assert str(caught.value).endswith("Decompress it first.")


def test_a_real_picture_given_as_a_list_is_an_error(shared: Path) -> None:
    with pytest.raises(InputError, match="image, not a list"):
        list(read_source(shared / "seed-demo" / "1.jpg"))


def test_a_line_above_the_limit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vecsim.sources.text.MAX_LINE", 1000)
    assert "line 2 is longer than" in message(tmp_path, b"id,url\n" + b"x" * 5000)


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
    found = list(read_source("-", stdin=stdin))  # type: ignore[arg-type]
    assert [(ref.id, ref.url) for ref in found] == [
        ("1", str(tmp_path.resolve() / "a.jpg")),
        ("2", "https://x.example/b.jpg"),
    ]
    assert found[0].location == "standard input line 2"
    assert not stdin.closed


def test_json_lines_on_standard_input() -> None:
    (ref,) = read_source("-", stdin=io.BytesIO(b'\xef\xbb\xbf{"id": 1, "url": "https://x/y"}\n'))
    assert (ref.id, ref.url) == ("1", "https://x/y")


def test_empty_standard_input_is_an_error() -> None:
    with pytest.raises(InputError, match="standard input is empty"):
        list(read_source("-", stdin=io.BytesIO()))


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
