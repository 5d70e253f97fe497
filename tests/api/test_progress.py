"""Progress and cancellation of long calls, and what results show of themselves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from vecsim import Index, Progress, apply_decisions, undo
from vecsim.errors import InputError, StoppedError, UsageError

PICTURES = Path(__file__).resolve().parents[2] / "demo" / "images"
NAMES = sorted(os.listdir(PICTURES))
COUNT = len(NAMES)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Index:
    index = Index.create(tmp_path_factory.mktemp("shop") / "index", model="phash")
    index.add(PICTURES)
    return index


LONG: dict[str, Callable[..., Any]] = {
    "clusters": lambda shop, folder, **how: list(shop.clusters(threshold=0.7, **how)),
    "calibrate": lambda shop, folder, **how: shop.calibrate(**how),
    "verify": lambda shop, folder, **how: shop.verify(**how),
    "export": lambda shop, folder, **how: shop.export_to(folder / "out.parquet", **how),
}


@pytest.mark.parametrize("call", LONG)
def test_a_long_call_reports_its_progress_and_can_be_cancelled(
    call: str, shop: Index, tmp_path: Path
) -> None:
    calls: list[Progress] = []
    LONG[call](shop, tmp_path, progress=calls.append)
    cancel = threading.Event()
    cancel.set()

    assert calls[-1] == Progress(COUNT, COUNT)
    (tmp_path / "other").mkdir()
    with pytest.raises(StoppedError, match="was cancelled"):
        LONG[call](shop, tmp_path / "other", cancel=cancel)
    with pytest.raises(UsageError, match="progress"):
        LONG[call](shop, tmp_path, progress="yes")


def test_a_cancelled_export_and_import_go_on_with_the_same_call(
    shop: Index, tmp_path: Path
) -> None:
    place, cancel, calls = tmp_path / "out.parquet", threading.Event(), []
    with pytest.raises(StoppedError, match="export"):
        shop.export_to(place, progress=lambda found: cancel.set(), cancel=_set(cancel))
    assert not place.exists()

    shop.export_to(place)
    back = Index.import_from(tmp_path / "back", place, progress=calls.append)

    assert calls == [Progress(COUNT, COUNT)]
    assert [ref.id for ref in back] == [ref.id for ref in shop]


def _set(event: threading.Event) -> threading.Event:
    event.set()
    return event


def test_applying_a_list_reports_each_file_and_stops_between_two(
    shop: Index, tmp_path: Path
) -> None:
    refs = list(shop)[:3]
    rows = [f"{ref.id},{ref.url},1,{'no' if n else 'yes'}" for n, ref in enumerate(refs)]
    (tmp_path / "list.csv").write_text("id,url,group,keep\n" + "\n".join(rows) + "\n")
    calls: list[Progress] = []

    report = apply_decisions(
        tmp_path / "list.csv", shop, threshold=-1, progress=calls.append, dry_run=True
    )

    assert calls == [Progress(1, 2), Progress(2, 2)]
    assert repr(report).startswith("<ApplyReport: 2 planned, 0 removed from the index; journal ")
    assert "none planned" in repr(report.outcomes[0])
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(StoppedError):
        apply_decisions(tmp_path / "list.csv", shop, threshold=-1, cancel=cancel)
    with pytest.raises(InputError):
        undo(tmp_path / "none.journal", cancel=cancel)


def test_results_show_what_they_are(shop: Index, tmp_path: Path) -> None:
    with Index.create(tmp_path / "index", model="phash") as index:
        report = index.add([*map(str, (PICTURES / NAMES[0], "gone.jpg"))])
        assert repr(report) == ("AddReport(added=1, failed=1, failures_by_kind={'no-file': 1})"), (
            report
        )
        (failure,) = index.failures
        assert repr(failure).startswith("<Failure 'gone.jpg': no-file: ")
        synced = index.sync(PICTURES, dry_run=True)
        assert repr(synced).startswith("SyncReport(added=")
    (pair, *_) = list(shop.query_ids(next(iter(shop)).id, top_k=1))
    assert repr(pair) == f"<Match {pair.query_id!r} {pair.reference_id!r}: {pair.score:.6f}>"
    (cluster, *_) = list(shop.clusters(threshold=0.5))
    assert repr(cluster).startswith(f"<Cluster: keep {cluster.members[0].id!r}; give up ")
    assert repr(cluster.members[0]) == f"ImageRef({cluster.members[0].id!r}, " + (
        f"{cluster.members[0].url!r})"
    )


def test_calibrate_writes_the_curve_and_the_page_of_pairs(shop: Index, tmp_path: Path) -> None:
    found = shop.calibrate(plot=tmp_path / "curve.html", label=tmp_path / "label.html", pairs=5)

    assert repr(found).startswith(f"<Calibration: {COUNT * (COUNT - 1) // 2} pairs, ")
    assert "Thresholds of index" in (tmp_path / "curve.html").read_text()
    assert "Same or different? index" in (tmp_path / "label.html").read_text()
    for wrong in ({"plot": "curve.pdf"}, {"label": "page.png"}, {"pairs": 0}):
        with pytest.raises(UsageError):
            shop.calibrate(**wrong)


def test_a_table_is_synced_under_its_name(tmp_path: Path) -> None:
    paths = [str(PICTURES / name) for name in NAMES]
    table = pandas.DataFrame({"sku": range(COUNT), "photo": paths, "title": "x"})
    with Index.create(tmp_path / "index", model="phash") as index:
        first = index.sync(table, id="sku", url="photo", name="shop")
        again = index.sync(table, id="sku", url="photo", name="shop")
        less = index.sync(
            table[1:], id="sku", url="photo", columns=["title"], name="shop", max_remove=50
        )

        assert (first.added, again.skipped, less.removed) == (COUNT, COUNT, 1)
        assert [ref.id for ref in index] == [str(n) for n in range(1, COUNT)]
        assert index.info().sources[0].name == "shop"
        for wrong in ([table], [table, table], [[1, 2]]):
            with pytest.raises(UsageError):
                index.sync(*wrong)
