"""Images that are not there any more are marked in the index."""

from __future__ import annotations

import csv
from pathlib import Path


def write_list(path: str, urls: dict[str, object]) -> Path:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([("id", "url"), *urls.items()])
    return Path(path)


def test_add_and_refresh_note_that_a_listed_file_is_gone(vecsim, pictures: Path) -> None:
    from vecsim.index import Snapshot

    def marked() -> list[str]:
        with Snapshot(Path("idx")) as snapshot:
            return [row.ref.id for row in snapshot.all_rows() if row.missing_since]

    listed = write_list("list.csv", {str(n): pictures / f"{n}.jpg" for n in (1, 2, 3)})
    vecsim("build-index", "idx", listed)
    moved = (pictures / "3.jpg").rename("elsewhere.jpg")
    vecsim("add", "idx", listed)
    assert marked() == ["3"]
    moved.rename(pictures / "3.jpg")
    vecsim("add", "idx", listed)
    assert marked() == []
    (pictures / "3.jpg").rename("elsewhere.jpg")
    vecsim("refresh", "idx")
    assert marked() == ["3"]
    Path("elsewhere.jpg").rename(pictures / "3.jpg")
    vecsim("refresh", "idx")
    assert marked() == []
    assert vecsim("verify", "idx").status == 0
