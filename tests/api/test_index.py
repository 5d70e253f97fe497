"""The library: `Index` and `match`."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import vecsim
from support.servers import HostileServer, good
from vecsim import AddReport, ImageRef, Index, Match, WorkOptions, match
from vecsim.errors import (
    DuplicateIdError,
    FingerprintError,
    ImageError,
    IndexExistsError,
    IndexMissingError,
    InputError,
    UnknownIdError,
    UsageError,
    VecsimError,
    VectorError,
)

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """A list of pictures 1, 2 and 3 with titles, in a folder that is also the current one."""
    rows = [f"{n},{PICTURES / f'{n}.jpg'},title {n}\n" for n in (1, 2, 3)]
    path = tmp_path / "more.csv"
    path.write_text("id,url,title\n" + "".join(rows))
    return path


@pytest.fixture
def index(tmp_path: Path, csv: Path) -> Index:
    """An open index of pictures 1, 2 and 3."""
    index = Index.create(tmp_path / "shop", model="phash")
    index.add(csv)
    return index


def test_public_names_can_be_imported() -> None:
    assert all(getattr(vecsim, name) is not None for name in vecsim.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = vecsim.nonsense


def test_the_package_has_its_version_and_a_missing_index_says_so(tmp_path: Path) -> None:
    assert vecsim.__version__ == version("vecsim")
    with pytest.raises(AttributeError):
        _ = vecsim.nothing
    assert repr(Index(tmp_path / "none")).endswith("none': not made yet>")


def test_an_unknown_id_that_is_the_end_of_a_path_is_answered_with_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PICTURES, "pics")
    with Index.create("six", model="phash") as index:
        index.add("pics")
        full = re.escape(str(tmp_path / "pics" / "1.jpg"))
        for call in (index.query_ids, index.remove, index.thumbnail):
            with pytest.raises(UnknownIdError, match=f"There is '{full}'"):
                call("pics/1.jpg")
            with pytest.raises(
                UnknownIdError, match=r"no image has the id 'pics/x.jpg'\.( Nothing|$)"
            ):
                call("pics/x.jpg")


def test_add_returns_counts_of_images(tmp_path: Path, csv: Path) -> None:
    csv.write_text(csv.read_text() + "4,none.jpg,x\n")
    index = Index.create(tmp_path / "shop", model="phash")

    first, again = index.add(str(csv)), index.add(csv)

    assert first == AddReport(added=3, failed=1, failures_by_kind={"no-file": 1})
    assert again == AddReport(skipped=4)
    assert [failure.ref.id for failure in index.failures] == ["4"]
    assert (len(index), [ref.id for ref in index]) == (3, ["1", "2", "3"])
    assert "2" in index and 3 in index and "4" not in index


def test_add_takes_references_urls_and_paths(index: Index) -> None:
    path = str(PICTURES / "4.jpg")

    report = index.add([ImageRef("four", path, {"title": "poster"}), PICTURES / "5.jpg", path])

    assert report == AddReport(added=3)
    assert [ref.id for ref in index][3:] == ["four", str(PICTURES / "5.jpg"), path]
    assert [m.reference_id for m in index.query_ids("four", threshold=1)] == [path]


def test_query_by_url(index: Index) -> None:
    with HostileServer({"/1.jpg": good((PICTURES / "1.jpg").read_bytes())}) as server:
        url = server.url("/1.jpg")

        found = list(index.query(url, threshold=0.9))

    assert found == [
        Match(url, url, "1", str(PICTURES / "1.jpg"), 1.0, {}, {"title": "title 1"}, "0"),
        Match(url, url, "3", str(PICTURES / "3.jpg"), 0.9375, {}, {"title": "title 3"}, "0"),
    ]


def test_several_queries_are_answered_in_their_order(index: Index) -> None:
    asked = [PICTURES / "3.jpg", ImageRef("mine", str(PICTURES / "1.jpg"))]

    found = index.query(asked, top_k=1).to_numpy()

    assert found["query_id"].tolist() == [str(PICTURES / "3.jpg"), "mine"]
    assert found["reference_id"].tolist() == ["3", "1"]


def test_the_default_threshold_is_the_models(index: Index) -> None:
    assert index.threshold == 0.6875
    assert len(index.query(PICTURES / "1.jpg").to_numpy()) == 3
    assert len(index.query(PICTURES / "1.jpg", threshold=0.9375).to_numpy()) == 2


def test_a_result_can_be_iterated_again_and_converted(index: Index) -> None:
    pairs = match(index)

    rows = [("1", "3", 0.9375), ("1", "2", 0.75), ("2", "3", 0.8125)]
    for _ in range(2):
        assert [(m.query_id, m.reference_id, m.score) for m in pairs] == rows
    array = pairs.to_numpy()
    assert array.dtype.names == ("query_id", "reference_id", "score")
    assert array.tolist() == rows
    frame = pairs.to_pandas()
    assert list(frame.columns) == ["query_id", "reference_id", "score"]
    assert list(frame.itertuples(index=False, name=None)) == rows
    table = pairs.to_arrow()
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


def test_an_empty_result_can_be_converted(index: Index) -> None:
    index.remove(["1", "2"])
    pairs = match(index)

    assert list(pairs) == []
    assert len(pairs.to_numpy()) == len(pairs.to_pandas()) == pairs.to_arrow().num_rows == 0


def test_match_takes_indexes_and_paths(index: Index, tmp_path: Path) -> None:
    other = Index.create(tmp_path / "other", model="phash")
    other.add([ImageRef("3", str(PICTURES / "3.jpg")), ImageRef("4", str(PICTURES / "4.jpg"))])
    expected = [("1", "3", 0.9375), ("2", "3", 0.8125), ("3", "3", 1.0)]

    for a, b in ((index, other), (index.path, other), (index, str(other.path))):
        assert match(a, b, show_all=True).to_numpy().tolist() == expected
        # Image 3 of both is one file, which is no copy of itself.
        assert match(a, b).to_numpy().tolist() == expected[:2]
    best = match(other, index, best_only=True, threshold=0.8, show_all=True)
    assert best.to_numpy().tolist() == [("3", "3", 1.0)]


def test_an_index_given_twice_is_matched_as_two_sets(index: Index) -> None:
    by_object = match(index, index, show_all=True).to_numpy().tolist()
    by_path = match(index.path, index.path, show_all=True).to_numpy().tolist()

    assert by_object == by_path
    assert ("1", "1", 1.0) in by_object and ("3", "1", 0.9375) in by_object


def test_an_open_index_sees_what_another_process_added(index: Index, csv: Path) -> None:
    assert len(index) == 3
    csv.write_text(f"id,url\nnew,{PICTURES / '3.jpg'}\n")
    earlier = match(index)

    command = [sys.executable, "-m", "vecsim", "add", str(index.path), str(csv)]
    subprocess.run(command, check=True, capture_output=True)

    assert len(index) == 4
    assert ("3", "new", 1.0) in match(index, show_all=True).to_numpy().tolist()
    assert len(earlier.to_numpy()) == 3  # a result keeps the state of the index it was made from


@pytest.mark.ci
def test_a_closed_index_reopens_and_leaks_no_file_descriptor(index: Index) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        index.add([ImageRef(f"n{number}", str(PICTURES / "1.jpg"))])
        assert len(index.query_ids("1", top_k=1).to_numpy()) == 1
    index.close()
    gc.collect()

    assert len(os.listdir("/proc/self/fd")) <= before
    assert len(index) == 23


def test_the_context_manager_closes_the_index(tmp_path: Path, index: Index) -> None:
    with Index.open(index.path) as opened:
        rows = iter(match(opened, threshold=-1))
        next(rows)
    shutil.rmtree(index.path)

    with pytest.raises(IndexMissingError):
        len(opened)


def test_results_of_a_closed_index_say_that_it_is_closed(index: Index) -> None:
    results = [match(index), match(index, index, threshold=0.9), index.clusters()]
    index.close()
    for result in results:
        with pytest.raises(UsageError, match="the index is closed"):
            list(result)


def test_remove_by_id(index: Index) -> None:
    assert index.remove("1") == 1
    assert index.remove(["1", "2"], missing_ok=True) == 1
    with pytest.raises(UnknownIdError, match=r"'9'.*Nothing was removed"):
        index.remove(["3", "9"])
    assert [ref.id for ref in index] == ["3"]
    index.compact()
    assert index.verify() == []


def test_a_decision_is_listed_until_it_is_forgotten(index: Index) -> None:
    made = index.decide(1, 2, "different")
    (listed,) = index.decisions
    assert listed.decision == made

    index.forget_decision(2, 1)

    assert index.decisions == []
    with pytest.raises(UnknownIdError):
        index.forget_decision(2, 1)


def test_a_query_that_cannot_be_loaded_raises_or_is_handed_over(index: Index) -> None:
    failed = []

    with pytest.raises(ImageError, match=r"none\.jpg") as raised:
        list(index.query("none.jpg"))
    found = index.query(["none.jpg", PICTURES / "3.jpg"], top_k=1, failed=failed.append)

    assert raised.value.kind == "no-file"
    assert [m.reference_id for m in found] == ["3"]
    assert [failure.kind for failure in failed] == ["no-file"]


def test_invalid_arguments_raise_before_any_work(index: Index, tmp_path: Path, csv: Path) -> None:
    mistakes = {
        "both": (UsageError, lambda: index.query("x.jpg", threshold=0.9, top_k=1)),
        "outside": (UsageError, lambda: index.query("x.jpg", threshold=1.5)),
        "no k": (UsageError, lambda: index.query("x.jpg", top_k=0)),
        "a list of floats": (UsageError, lambda: index.query([1.0, 2.0])),
        "dimension": (FingerprintError, lambda: index.query(np.ones(3))),
        "zero": (VectorError, lambda: index.query(np.zeros(64))),
        "exists": (IndexExistsError, lambda: Index.create(index.path)),
        "missing": (IndexMissingError, lambda: Index.open(tmp_path / "none")),
        "no list": (InputError, lambda: index.add("none.csv")),
        "no ref": (UsageError, lambda: index.add([7])),
        "duplicate": (DuplicateIdError, lambda: index.add([ImageRef("1", "other.jpg")])),
        "policy": (UsageError, lambda: index.add(csv, on_duplicate="merge")),
        "unknown": (UnknownIdError, lambda: index.query_ids("9")),
        "images": (FingerprintError, lambda: index.add_vectors(np.ones((1, 64)), ["x"])),
        "best": (UsageError, lambda: match(index, best_only=True)),
        "missing path": (IndexMissingError, lambda: match(index, tmp_path / "none")),
    }
    for name, (kind, act) in mistakes.items():
        with pytest.raises(VecsimError) as raised:
            act()
        assert type(raised.value) is kind, name
        assert len(str(raised.value)) > 20, name
    assert [ref.id for ref in index] == ["1", "2", "3"]


def test_work_options_are_used(tmp_path: Path, csv: Path) -> None:
    from vecsim.fetch import FetchOptions

    work = WorkOptions(batch_size=1, fetch=FetchOptions(public_only=True))
    index = Index.create(tmp_path / "shop", model="phash", work=work)

    assert index.add(csv).failures_by_kind == {"bad-url": 3}
