"""Sources that become indexes: found again by content and model, beside indexes and pipes."""

from __future__ import annotations

import io
import os
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image

from vecsim.errors import FingerprintError, StorageError, UsageError
from vecsim.index import Snapshot, is_index
from vecsim.operations import building
from vecsim.operations.kept_folder import indexes_folder
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.operations.source_indexes import index_paths
from vecsim.records import ImageRef
from vecsim.sources import SourceOptions, count_refs, peek_fields, refs_of

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
PHASH = RunOptions(ModelChoice("phash"))
OPTIONS = SourceOptions()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which indexes of sources are kept."""
    monkeypatch.setenv("VECSIM_INDEXES", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of pictures 1 and 2."""
    path = tmp_path / "list.csv"
    path.write_text("id,url,title\n" + "".join(f"{n},{PICTURES}/{n}.jpg,t{n}\n" for n in (1, 2)))
    return path


def test_a_source_is_indexed_once_and_found_again(listed: Path, folder: Path) -> None:
    ((path, report),) = index_paths([str(listed)], OPTIONS, PHASH)
    assert report is not None and report.added == 2
    assert path.parent == folder / ".sources" == indexes_folder() / ".sources"
    assert path.name.startswith("list-phash-") and is_index(str(path))

    ((again, report),) = index_paths([str(listed)], OPTIONS, PHASH)
    assert again == path and report is not None and (report.added, report.skipped) == (0, 2)


def test_the_options_and_the_place_make_an_index_and_not_the_content(listed: Path) -> None:
    def path_of(options: SourceOptions = OPTIONS) -> Path:
        return index_paths([str(listed)], options, PHASH)[0][0]

    first = path_of()
    assert path_of(SourceOptions(columns=())) != first
    listed.write_text(listed.read_text().replace("t2", "changed"))
    assert path_of() == first
    with Snapshot(first) as snapshot:
        assert [row.ref.fields["title"] for row in snapshot.all_rows()] == ["t1", "changed"]


def test_a_source_beside_an_index_gets_its_model(listed: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    building.build_index(index, [ImageRef("3", str(PICTURES / "3.jpg"))], PHASH)
    (own, added), (path, report) = index_paths([str(index), str(listed)], OPTIONS, RunOptions())
    assert (own, added) == (index, None) and report is not None
    with Snapshot(path) as snapshot:
        assert snapshot.fingerprint.model == "phash"
    with pytest.raises(FingerprintError):
        index_paths([str(index), str(listed)], OPTIONS, RunOptions(ModelChoice("bundled")))


def test_standard_input_is_not_read_twice() -> None:
    with pytest.raises(UsageError, match="only once"):
        index_paths(["-", "-"], OPTIONS, PHASH)
    assert not is_index("-")


def test_a_pipe_is_indexed_and_counted_as_unknown(listed: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(listed.read_bytes()), daemon=True).start()
    assert count_refs([str(pipe)], OPTIONS) is None
    ((_, report),) = index_paths([str(pipe)], OPTIONS, PHASH)
    assert report is not None and report.added == 2


def test_a_folder_for_indexes_that_cannot_be_made_is_named(listed: Path, folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(StorageError, match=r"kept in .*; VECSIM_INDEXES names another folder"):
        index_paths([str(listed)], OPTIONS, PHASH)


def test_references_of_several_sources_follow_each_other(listed: Path) -> None:
    places = [str(listed), str(PICTURES)]
    assert [ref.id for ref in refs_of(places, OPTIONS)][:2] == ["1", "2"]
    assert count_refs(places, OPTIONS) == 8


def test_a_look_at_the_fields_loses_no_reference(listed: Path) -> None:
    fields, refs = peek_fields(refs_of([str(listed)], OPTIONS))
    assert fields == ["title"]
    assert [ref.id for ref in refs] == ["1", "2"]
    assert peek_fields([])[0] == []


def test_another_preparation_of_the_model_makes_another_index(
    listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from vecsim.models.registry import find_spec
    from vecsim.operations import source_indexes

    before = source_indexes.path_of_source_index(str(listed), OPTIONS, ModelChoice("phash"))
    spec = find_spec("phash")
    newer = replace(spec, preparation=replace(spec.preparation, size=64))
    monkeypatch.setattr(source_indexes, "find_spec", lambda name: newer)
    after = source_indexes.path_of_source_index(str(listed), OPTIONS, ModelChoice("phash"))
    assert before != after


def test_thumbnails_of_a_folder_are_made_of_its_files_when_they_are_shown(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in (1, 2, 3):
        shutil.copy(PICTURES / f"{number}.jpg", pictures)
    ((path, _),) = index_paths([str(pictures)], OPTIONS, PHASH)
    assert not (path / "thumbnails.db").exists()
    (pictures / "2.jpg").write_bytes((PICTURES / "1.jpg").read_bytes())
    (pictures / "3.jpg").unlink()

    with Snapshot(path) as snapshot:
        keys = {Path(row.ref.url).name: row.key for row in snapshot.all_rows()}
        shown = snapshot.thumbnails(keys.values())

    assert list(shown) == [keys["1.jpg"]]  # the others are not the files that were indexed
    with Image.open(io.BytesIO(shown[keys["1.jpg"]])) as image:
        assert image.format == "JPEG" and max(image.size) == 160


def test_thumbnails_of_a_list_are_stored(listed: Path) -> None:
    ((path, _),) = index_paths([str(listed)], OPTIONS, PHASH)
    with Snapshot(path) as snapshot:
        keys = [row.key for row in snapshot.all_rows()]
        assert list(snapshot.stored_thumbnails(keys)) == keys
