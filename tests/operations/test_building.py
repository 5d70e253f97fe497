"""Which references are added, how chunks count and commit, and what stays after an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from vecsim.errors import DuplicateIdError, FingerprintError, IndexExistsError, InputError
from vecsim.hints import Action
from vecsim.index import Snapshot
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.models import load_embedder
from vecsim.operations import building
from vecsim.operations.chunk import Chunk, count_failure
from vecsim.operations.index_settings import check_model, keeps_thumbnails, load_index_model
from vecsim.operations.known_images import NewImages, must_add
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.records import (
    AddReport,
    Embedded,
    Failure,
    Fingerprint,
    ImageFacts,
    ImageRef,
)

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
PHASH = RunOptions(ModelChoice("phash"))


def refs(*numbers: int) -> list[ImageRef]:
    """References to pictures of the demo."""
    return [ImageRef(str(number), str(PICTURES / f"{number}.jpg")) for number in numbers]


def embedded(image_id: str, url: str = "", sha256: str = "") -> Embedded:
    facts = ImageFacts(sha256=sha256)
    return Embedded(ImageRef(image_id, url or f"{image_id}.jpg"), facts, np.float32([1, 0]))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """The writer of an empty index of vectors with two dimensions."""
    create_index(tmp_path / "index", Fingerprint("two", "", "", 2), {})
    with Writer(tmp_path / "index") as writer:
        yield writer


# -- references that the index has ---------------------------------------------------------------


@pytest.mark.parametrize("policy", ["error", "skip", "replace"])
def test_a_new_id_is_added_and_the_same_url_is_skipped(policy: str) -> None:
    ref = ImageRef("a", "a.jpg")
    assert must_add(ref, None, policy)
    assert not must_add(ref, "a.jpg", policy)


def test_another_url_follows_the_policy() -> None:
    ref = ImageRef("a", "new.jpg", {}, "list.csv line 3")
    assert must_add(ref, "old.jpg", "replace")
    assert not must_add(ref, "old.jpg", "skip")
    with pytest.raises(DuplicateIdError, match=r"^list\.csv line 3: id 'a'.*old\.jpg") as raised:
        must_add(ref, "old.jpg", "error")
    assert raised.value.hint is not None
    assert raised.value.hint.action is Action.RESOLVE_DUPLICATE_ID


def test_ids_are_compared_with_those_not_yet_committed(writer: Writer) -> None:
    report = AddReport()
    new = NewImages(writer.catalog, "skip", report)
    listed = [ImageRef("a", "1.jpg"), ImageRef("a", "1.jpg"), ImageRef("a", "2.jpg")]
    assert [ref.url for ref in new.of(listed)] == ["1.jpg"]
    assert report.skipped == 2


def test_references_before_a_duplicate_pass_first(writer: Writer) -> None:
    new = NewImages(writer.catalog, "error", AddReport())
    passed = []
    with pytest.raises(DuplicateIdError):
        for ref in new.of([ImageRef("a", "1"), ImageRef("b", "1"), ImageRef("a", "2")]):
            passed.append(ref.id)
    assert passed == ["a", "b"]


def test_recorded_failures_are_skipped_but_lost_images_are_not(writer: Writer) -> None:
    failed = [
        Failure(ImageRef("dead", "dead.jpg"), "http", "404"),
        Failure(ImageRef("lost", "lost.jpg"), "lost", "damaged"),
    ]
    writer.commit([], failed)
    report = AddReport()
    new = NewImages(writer.catalog, "error", report)
    assert [ref.id for ref in new.of(failure.ref for failure in failed)] == ["lost"]
    assert report.skipped == 1


def test_no_reference_is_read_after_a_stop(writer: Writer) -> None:
    new = NewImages(writer.catalog, "error", AddReport(), lambda: False)
    source = iter([ImageRef("a", "a.jpg")])
    assert list(new.of(source)) == []
    assert next(source).id == "a"


# -- chunks --------------------------------------------------------------------------------------


def test_a_chunk_counts_and_commits_its_outcomes(writer: Writer) -> None:
    committed: list[str] = []
    chunk = Chunk(writer, AddReport(), lambda refs: committed.extend(ref.id for ref in refs))
    chunk.take(embedded("a"))
    chunk.take(Failure(ImageRef("b", "http://host/b.jpg"), "http", "404", http_status=404))
    chunk.commit_if_due()
    assert committed == []
    chunk.commit()
    assert committed == ["a", "b"]
    assert (chunk.report.added, chunk.report.failed) == (1, 1)
    assert set(writer.catalog.images.by_id(["a", "b"])) == {"a"}
    chunk.take(embedded("a", url="other.jpg"))
    chunk.commit()
    assert (chunk.report.added, chunk.report.replaced) == (1, 1)


def test_a_full_chunk_is_due(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECSIM_CHUNK_IMAGES", "2")
    chunk = Chunk(writer, AddReport())
    for image_id in "ab":
        chunk.take(embedded(image_id))
        chunk.commit_if_due()
    assert len(writer.catalog.images.by_id(["a", "b"])) == 2


def test_images_fetched_again_are_unchanged_by_their_bytes(writer: Writer) -> None:
    writer.commit([embedded("same", sha256="1"), embedded("other", sha256="2")])
    rows = writer.catalog.images.by_id(["same", "other"])
    chunk = Chunk(writer, AddReport())
    for row in rows.values():
        ref = chunk.check(row)
        assert chunk.stored_facts(ref) == row.facts
    chunk.take(embedded("same", sha256="1"))
    chunk.take(embedded("other", sha256="3"))
    chunk.commit()
    report = chunk.report
    assert (report.unchanged, report.replaced, report.added) == (1, 1, 0)


def test_a_failed_commit_does_not_count(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(writer, "commit", fail)
    chunk = Chunk(writer, AddReport())
    chunk.take(embedded("a"))
    with pytest.raises(OSError, match="disk full"):
        chunk.commit()
    assert chunk.report.added == 0


def test_failures_are_counted_by_kind_host_and_reason() -> None:
    report = AddReport()
    url = "http://user:secret@Host:80/a.jpg"
    count_failure(report, Failure(ImageRef("a", url), "http", "", http_status=404))
    count_failure(report, Failure(ImageRef("b", url), "timeout", ""))
    count_failure(report, Failure(ImageRef("c", url), "connect", "", attempts=0))
    count_failure(report, Failure(ImageRef("d", "/file.jpg"), "no-file", ""))
    assert report.failures_by_kind == {"http": 1, "timeout": 1, "connect": 1, "no-file": 1}
    assert report.failures_by_host == {"host:80": {"http 404": 1, "timeout": 1, "not tried": 1}}


# -- runs ----------------------------------------------------------------------------------------


def test_building_twice_resumes(tmp_path: Path) -> None:
    path = tmp_path / "index"
    assert building.build_index(path, refs(1, 2), PHASH).added == 2
    again = building.build_index(path, refs(1, 2, 3), PHASH)
    assert (again.added, again.skipped) == (1, 2)
    with pytest.raises(IndexExistsError):
        building.create(path, PHASH)


def test_a_source_that_cannot_be_read_leaves_no_index(tmp_path: Path) -> None:
    def broken() -> Iterator[ImageRef]:
        raise InputError("no columns")
        yield

    with pytest.raises(InputError):
        building.build_index(tmp_path / "index", broken(), PHASH)
    assert not (tmp_path / "index").exists()


def test_another_model_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "index"
    building.create(path, PHASH)
    source = iter(refs(1))
    with pytest.raises(FingerprintError, match="bundled-3 was asked for"):
        building.build_index(path, source, RunOptions(ModelChoice("bundled")))
    assert next(source).id == "1"
    check_model(path, ModelChoice())
    check_model(path, ModelChoice("phash"))
    check_model(path, ModelChoice(embedder=load_embedder("phash")))


def test_the_thumbnails_of_an_index_are_remembered_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "index"
    building.build_index(path, refs(1), RunOptions(ModelChoice("phash"), thumbnails=False))
    building.add(path, refs(2), RunOptions())
    with Snapshot(path) as snapshot:
        assert not keeps_thumbnails(snapshot)
        assert snapshot.thumbnails(snapshot.keys().tolist()) == {}
    building.add(path, refs(3), RunOptions(thumbnails=True))
    with Snapshot(path) as snapshot:
        assert keeps_thumbnails(snapshot)
        assert list(snapshot.thumbnails(snapshot.keys().tolist())) == [3]


def test_a_stopped_run_says_so_and_reports_progress(tmp_path: Path) -> None:
    stop, reports = Event(), []
    stop.set()
    options = RunOptions(ModelChoice("phash"), stop=stop, progress=reports.append)
    report = building.build_index(tmp_path / "index", refs(1, 2), options)
    assert report.interrupted and report.added == 0
    assert reports


def test_retry_takes_the_failures_only(tmp_path: Path) -> None:
    path, missing = tmp_path / "index", tmp_path / "late.jpg"
    report = building.build_index(path, [*refs(1), ImageRef("late", str(missing))], PHASH)
    assert (report.added, report.failures_by_kind) == (1, {"no-file": 1})
    missing.write_bytes((PICTURES / "2.jpg").read_bytes())
    again = building.retry(path, RunOptions())
    assert (again.added, again.failed, again.skipped) == (1, 0, 0)


def test_outcomes_of_elsewhere_are_added_in_one_commit(tmp_path: Path) -> None:
    path = tmp_path / "index"
    building.build_index(path, refs(1), PHASH)
    with Snapshot(path) as snapshot:
        vector = snapshot.vectors_of(snapshot.keys())[0]
    outcomes = [
        Embedded(ImageRef("2", "2.jpg"), ImageFacts(), vector),
        Failure(ImageRef("3", "3.jpg"), "http", "gone"),
    ]
    report = building.add_outcomes(path, outcomes)
    assert (report.added, report.failed) == (1, 1)
    with pytest.raises(DuplicateIdError):
        building.add_outcomes(path, [Embedded(ImageRef("2", "x.jpg"), ImageFacts(), vector)])


def test_the_model_of_an_index_is_loaded_by_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "index"
    building.create(path, PHASH)
    with Snapshot(path) as snapshot:
        model = load_index_model(path, snapshot, ModelChoice("bundled"), PHASH.work)
        assert model.fingerprint == snapshot.fingerprint
        with pytest.raises(FingerprintError, match="cannot be compared"):
            choice = ModelChoice(embedder=load_embedder("bundled"))
            load_index_model(path, snapshot, choice, PHASH.work)
