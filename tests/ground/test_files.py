"""Writing files: complete or not at all, whatever stood there before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vecsim.errors import StorageError
from vecsim.files import (
    new_file,
    new_folder,
    new_output,
    new_path,
    remove_leftovers,
    scratch_folder,
    storage_errors,
    temporary_path,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_file_is_absent_until_the_block_ends(tmp_path: Path) -> None:
    with new_file(tmp_path / "a") as file:
        file.write(b"one")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ValueError, match="stop"), new_file(tmp_path / "a") as file:
        file.write(b"new")
        raise ValueError("stop")
    with pytest.raises(ValueError, match="stop"), new_path(tmp_path / "a") as temporary:
        temporary.write_bytes(b"new")
        raise ValueError("stop")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_content_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def record_replace(source: Path, target: Path) -> None:
        calls.append(("rename", target.name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    for write in (new_file, new_path, new_output, new_folder):
        calls.clear()
        with write(tmp_path / "a") as place:
            if isinstance(place, Path) and not place.is_dir():
                place.touch()
        operations = [operation for operation, _ in calls]
        assert operations == ["fsync", "rename", "fsync"]
        assert calls[0][1].endswith(".part")
        assert calls[1:] == [("rename", "a"), ("fsync", tmp_path.name)]
        if (tmp_path / "a").is_file():
            (tmp_path / "a").unlink()


def test_new_output_keeps_links_and_permissions(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with new_output(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_new_folder_appears_with_all_its_files(tmp_path: Path) -> None:
    with new_folder(tmp_path / "f") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "a").write_text("one")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f" / "sub" / "a").read_text() == "one"
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "f"):
        pass
    assert names(tmp_path) == ["f"]


def test_scratch_folder_is_deleted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), scratch_folder(tmp_path / "f") as folder:
        (folder / "a").touch()
        raise ValueError("stop")
    assert names(tmp_path) == []


def test_remove_leftovers_takes_only_those_of_its_name(tmp_path: Path) -> None:
    left = temporary_path(tmp_path / "a")
    left.mkdir()
    (left / "file").touch()
    Path(f"{temporary_path(tmp_path / 'a')}-wal").touch()
    other = temporary_path(tmp_path / "b")
    other.touch()
    (tmp_path / "a").touch()
    remove_leftovers(tmp_path / "a")
    assert names(tmp_path) == sorted(["a", other.name])


@pytest.mark.parametrize("name", ["x" * 250, "ä" * 120, "😀" * 60, "[a]*"])
def test_long_and_odd_names_have_temporary_names(name: str, tmp_path: Path) -> None:
    with new_file(tmp_path / name) as file:
        file.write(b"one")
    temporary_path(tmp_path / name).touch()
    remove_leftovers(tmp_path / name)
    assert names(tmp_path) == [name]


def test_storage_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "no" / "folder"
    with (
        pytest.raises(StorageError, match=rf"{path}: cannot be written \(No such file"),
        storage_errors(path),
        new_file(path),
    ):
        pass
