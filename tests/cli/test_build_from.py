"""`vecsim build-index NEW --from OLD`: the images of one index, embedded by another model."""

from __future__ import annotations

import csv
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from support.models import ROOT
from support.on_disk import rows
from vecsim import Index
from vecsim.cli.runs import running
from vecsim.index.layout import create_index
from vecsim.models.families.bundled import FIRST
from vecsim.operations.building import add_outcomes
from vecsim.operations.index_settings import store_threshold
from vecsim.records import Embedded, ImageFacts, ImageRef

PICTURES = ROOT / "demo" / "images"
OWNERS = (
    "SELECT owners.id, sources.name FROM owners "
    "JOIN sources ON sources.number = owners.source ORDER BY owners.id"
)


@pytest.fixture
def old(vecsim, tmp_path: Path) -> Path:
    """An index by phash that follows a list: fields, a failure, decisions, its own threshold."""
    pictures = shutil.copytree(PICTURES, tmp_path / "pictures")
    with Path("shop.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "url", "price"])
        table.writerows([n, pictures / f"{n}.jpg", f"{n}.50"] for n in range(1, 8))
    (pictures / "7.jpg").unlink(missing_ok=True)
    path = Path("old")
    vecsim("build-index", path, "shop.csv", "--model", "phash", "--name", "shop")
    with Index.open(path) as index:
        index.decide("1", "2", "same")
        index.decide("1", "6", "different")
    store_threshold(path, 0.9)
    return path


def test_images_fields_failures_decisions_and_sources_are_taken_along(vecsim, old: Path) -> None:
    ran = vecsim("build-index", "new", "--from", old, "--model", "bundled")
    assert ran.status == 3
    assert "new: 6 added, 1 failed" in ran.err
    with Index.open("new") as new, Index.open(old) as before:
        assert new.fingerprint.model == "bundled-3"
        assert list(new) == list(before)
        assert [ref.fields for ref in new][:2] == [{"price": "1.50"}, {"price": "2.50"}]
        assert [failure.ref for failure in new.failures] == [f.ref for f in before.failures]
        assert [each.decision for each in new.decisions] == [
            each.decision for each in before.decisions
        ]
        assert new.threshold == 0.84
        assert new.thumbnail("1") is not None
        assert new.verify() == []
    assert rows(Path("new"), OWNERS) == rows(old, OWNERS)
    assert rows(Path("new"), OWNERS)[0] == ("1", "shop")


def test_sync_continues_with_the_new_index(vecsim, old: Path) -> None:
    vecsim("build-index", "new", "--from", old)
    lines = Path("shop.csv").read_text().splitlines()
    Path("shop.csv").write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    ran = vecsim("sync", "new", "shop.csv", "--name", "shop")
    assert "1 removed" in ran.err
    with Index.open("new") as new:
        assert [ref.id for ref in new] == ["2", "3", "4", "5", "6"]


def test_the_same_command_again_continues(vecsim, old: Path) -> None:
    vecsim("build-index", "new", "--from", old)
    vecsim("remove", "new", "3")
    with Index.open("new") as new:
        new.decide("1", "2", "different")
        newer = [each.decision for each in new.decisions]
    ran = vecsim("build-index", "new", "--from", old)
    assert "new: 1 added, 6 already known" in ran.err
    with Index.open("new") as new:
        assert [each.decision for each in new.decisions] == newer


def test_the_threshold_is_taken_along_by_the_same_model_only(vecsim, old: Path) -> None:
    vecsim("build-index", "again", "--from", old, "--model", "phash", "--no-thumbnails")
    with Index.open("again") as again, Index.open(old) as before:
        assert again.threshold == before.threshold == 0.9
        assert again.thumbnail("1") is None
        keys = before.snapshot.slice(0, 6)[1]
        assert np.array_equal(again.snapshot.slice(0, 6)[1], keys)


def test_an_index_of_the_retired_model_is_built_anew(vecsim, tmp_path: Path) -> None:
    retired = tmp_path / "retired"
    create_index(retired, FIRST, {})
    vectors = np.eye(6, 256, dtype=np.float32)
    add_outcomes(
        retired,
        [
            Embedded(ImageRef(str(n), str(PICTURES / f"{n}.jpg")), ImageFacts(), vectors[n - 1])
            for n in range(1, 7)
        ],
    )
    ran = vecsim("add", retired, PICTURES)
    assert ran.status == 1
    assert f"vecsim build-index NEW --from {retired}" in ran.err
    assert vecsim("build-index", "new", "--from", retired).status == 0
    assert [pair[:2] for pair in vecsim("match", "new").pairs][:1] == [("1", "3")]
    with Index.build_from("newer", retired, "phash") as index:
        assert [ref.id for ref in index] == ["1", "2", "3", "4", "5", "6"]


def test_what_has_no_url_is_left_out_or_refused(vecsim, tmp_path: Path) -> None:
    urls = [str(PICTURES / "1.jpg"), ""]
    Index.from_vectors("some", np.eye(2), ["1", "2"], urls=urls).close()
    ran = vecsim("build-index", "new", "--from", "some")
    assert ran.status == 0
    assert "1 image without a URL left out" in ran.err
    Index.from_vectors("none", np.eye(2), ["1", "2"]).close()
    ran = vecsim("build-index", "newer", "--from", "none")
    assert ran.status == 1
    assert "none: its vectors were made elsewhere, and none has a URL" in ran.err
    assert not Path("newer").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new"], "Give sources, or an index with --from"),
        (["new", "shop.csv", "--from", "old"], "one of the two"),
        (["new", "--from", "old", "--name", "x"], "--name is for sources"),
    ],
)
def test_sources_and_an_index_are_not_mixed(
    vecsim, old: Path, arguments: list[str], message: str
) -> None:
    ran = vecsim("build-index", *arguments)
    assert ran.status == 2
    assert message in ran.err


def test_an_index_is_not_built_from_itself_or_from_none(vecsim, old: Path) -> None:
    ran = vecsim("build-index", old, "--from", old)
    assert (ran.status, "from itself" in ran.err) == (2, True)
    ran = vecsim("build-index", "new", "--from", "nothing")
    assert ran.status == 1
    assert not Path("new").exists()


def test_a_failure_to_count_images_is_left_to_the_run() -> None:
    def vanished() -> int:
        raise FileNotFoundError("old")

    failed: list[object] = []
    before, threading.excepthook = threading.excepthook, failed.append
    try:
        with running(total=vanished):
            time.sleep(0.05)  # the thread that counts has ended
    finally:
        threading.excepthook = before
    assert not failed
