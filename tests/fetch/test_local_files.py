"""Images that are files of this machine."""

import os
from pathlib import Path

import pytest

from support.fetching import MakeFetcher, fetch_error

DATA = b"\xff\xd8" + bytes(1000)


def test_paths_and_file_urls_are_read(
    fetcher: MakeFetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a shoe: 100%.jpg"
    path.write_bytes(DATA)
    one = fetcher()
    for url in (str(path), path.as_uri()):
        fetched = one.fetch(url)
        assert fetched.data == DATA
        assert fetched.facts.final_url == url
        assert fetched.facts.http_status is None
    monkeypatch.chdir(tmp_path)
    assert one.fetch("a shoe: 100%.jpg").data == DATA


def test_what_is_not_a_regular_file_is_no_file(fetcher: MakeFetcher, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    one = fetcher()
    for name in ("nothing", "pipe", "loop", "", "pipe/x"):
        assert fetch_error(one, str(tmp_path / name)).kind == "no-file"
    for device in ("/dev/zero", "/dev/tty"):
        assert fetch_error(one, device).kind == "no-file"
    assert fetch_error(one, "x" * 5000).kind == "no-file"


def test_a_file_above_the_size_limit_is_too_large(fetcher: MakeFetcher, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(5000))
    assert fetch_error(fetcher(max_bytes=2000), str(tmp_path / "big")).kind == "too-large"


def test_a_file_as_large_as_the_limit_is_read_whole(fetcher: MakeFetcher, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(DATA)
    assert fetcher(max_bytes=len(DATA)).fetch(str(tmp_path / "picture")).data == DATA


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc")
def test_a_file_without_a_known_size_is_read_whole(fetcher: MakeFetcher) -> None:
    assert fetcher().fetch("/proc/version").data == Path("/proc/version").read_bytes()


def test_no_files_are_read_with_public_only(fetcher: MakeFetcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(DATA)
    one = fetcher(public_only=True)
    for url in (str(tmp_path / "a.jpg"), (tmp_path / "a.jpg").as_uri(), "FILE:///etc/passwd"):
        assert fetch_error(one, url).kind == "bad-url"
