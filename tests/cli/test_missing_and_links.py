"""Missing images, and one file under two names, are left out of matches and groups, and counted.

Of the six pictures, 1 and 2 are copies of 3, and 6 is one of 5.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.servers import HostileServer, good

Make = Callable[[Path, Path], object]


def keeps(ran) -> dict[str, str]:
    """Of each row of `cluster`, the file's name and whether to keep it."""
    assert ran.status == 0, ran.err
    return {Path(row["url"]).name: row["keep"] for row in ran.rows}


def names(ran) -> list[tuple[str, str]]:
    """Of each match, the names of both files."""
    return [(Path(row["query_url"]).name, Path(row["reference_url"]).name) for row in ran.rows]


def write_list(path: str, urls: dict[str, object]) -> Path:
    with Path(path).open("w", newline="") as file:
        csv.writer(file).writerows([("id", "url"), *urls.items()])
    return Path(path)


# -- missing images ------------------------------------------------------------------------------


def test_a_file_that_is_gone_is_not_kept_after_an_add(vecsim, pictures: Path) -> None:
    vecsim("build-index", "idx", pictures)
    assert keeps(vecsim("cluster", "idx"))["3.jpg"] == "yes"
    (pictures / "3.jpg").unlink()
    (pictures / "5.jpg").unlink()
    vecsim("add", "idx", pictures)

    ran = vecsim("cluster", "idx")

    assert sorted(keeps(ran).values()) == ["no", "yes"]
    assert keeps(ran).keys() == {"1.jpg", "2.jpg"}
    assert "2 images left out: 2 not there any more. --show-all shows them." in ran.err


def test_a_file_that_is_gone_is_left_out_of_match_and_query(vecsim, pictures: Path) -> None:
    vecsim("build-index", "idx", pictures)
    copy = shutil.copy(pictures / "3.jpg", "query.jpg")
    (pictures / "3.jpg").unlink()

    ran = vecsim("match", "idx")
    assert names(ran) == [("1.jpg", "2.jpg"), ("5.jpg", "6.jpg")]
    assert "2 pairs left out: 2 with an image that is not there any more." in ran.err

    ran = vecsim("query", "idx", "--url", copy, "-k", "2")
    assert [name for _, name in names(ran)] == ["1.jpg", "2.jpg"]
    assert "1 pair left out" in ran.err
    ran = vecsim("query", "idx", "--url", copy, "-k", "2", "--show-all")
    assert [name for _, name in names(ran)] == ["3.jpg", "1.jpg"]
    assert "left out" not in ran.err


def test_show_all_shows_missing_images_but_keeps_none(vecsim, pictures: Path) -> None:
    vecsim("build-index", "idx", pictures)
    (pictures / "3.jpg").unlink()
    (pictures / "5.jpg").unlink()
    (pictures / "6.jpg").unlink()

    ran = vecsim("cluster", "idx", "--show-all")

    assert keeps(ran)["3.jpg"] == "no"
    assert list(keeps(ran).values()).count("yes") == 1
    assert {row["reason"] for row in ran.rows if "3.jpg" in row["url"]} == {"not there any more"}
    assert not {"5.jpg", "6.jpg"} & keeps(ran).keys()
    assert len(names(vecsim("match", "idx", "--show-all"))) == 4


def test_a_matrix_includes_missing_images(vecsim, pictures: Path) -> None:
    import numpy as np

    vecsim("build-index", "idx", pictures)
    (pictures / "3.jpg").unlink()
    vecsim("match", "idx", "--matrix", "m.npy")
    assert np.load("m.npy").shape == (6, 6)


def test_a_url_that_is_gone_is_left_out_until_it_is_back(vecsim, server: HostileServer) -> None:
    urls = {str(number): server.url(f"/{number}.jpg") for number in range(1, 7)}
    vecsim("build-index", "idx", write_list("list.csv", urls))
    route = server.routes.pop("/3.jpg")
    vecsim("refresh", "idx", "--retries", "0")
    gone = vecsim("cluster", "idx")
    assert keeps(gone).keys() == {"1.jpg", "2.jpg", "5.jpg", "6.jpg"}
    assert "1 image left out" in gone.err
    assert names(vecsim("match", "idx")) == [("1.jpg", "2.jpg"), ("5.jpg", "6.jpg")]

    server.routes["/3.jpg"] = route
    vecsim("retry", "idx")
    back = vecsim("cluster", "idx")
    assert keeps(back)["3.jpg"] == "yes"
    assert "left out" not in back.err
    assert vecsim("verify", "idx").status == 0


def test_a_server_that_is_down_makes_nothing_missing(vecsim, server: HostileServer) -> None:
    from support.servers import status

    urls = {str(number): server.url(f"/{number}.jpg") for number in range(1, 7)}
    vecsim("build-index", "idx", write_list("list.csv", urls))
    server.routes["/3.jpg"] = status(503)
    vecsim("refresh", "idx", "--retries", "0")
    assert keeps(vecsim("cluster", "idx"))["3.jpg"] == "yes"


def test_a_url_with_changed_bytes_is_not_missing(
    vecsim, server: HostileServer, pictures: Path
) -> None:
    urls = {str(number): server.url(f"/{number}.jpg") for number in (1, 3)}
    vecsim("build-index", "idx", write_list("list.csv", urls))
    del server.routes["/3.jpg"]
    vecsim("refresh", "idx", "--retries", "0")
    assert keeps(vecsim("cluster", "idx")) == {}
    server.routes["/3.jpg"] = good((pictures / "2.jpg").read_bytes())
    vecsim("refresh", "idx")
    assert len(keeps(vecsim("cluster", "idx"))) == 2


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
    assert keeps(vecsim("cluster", "idx"))["3.jpg"] == "yes", "it is there again"
    vecsim("refresh", "idx")
    assert marked() == []
    assert vecsim("verify", "idx").status == 0


# -- one file under two names ----------------------------------------------------------------------


def symlink(name: Path, file: Path) -> None:
    name.symlink_to(file.resolve())


def hard_link(name: Path, file: Path) -> None:
    name.hardlink_to(file)


@pytest.mark.parametrize("link", [symlink, hard_link])
def test_a_link_is_no_copy(vecsim, pictures: Path, link: Make) -> None:
    for number in (1, 2, 6):
        (pictures / f"{number}.jpg").unlink()
    link(pictures / "0.jpg", pictures / "3.jpg")
    vecsim("build-index", "idx", pictures)

    ran = vecsim("cluster", "idx")
    assert keeps(ran) == {}
    assert "1 image left out: 1 another name of the same file." in ran.err
    ran = vecsim("match", "idx")
    assert names(ran) == []
    assert "1 pair left out: 1 of one file under two names." in ran.err
    assert names(vecsim("match", "idx", "--show-all")) == [("0.jpg", "3.jpg")]


@pytest.mark.parametrize("link", [symlink, hard_link])
@pytest.mark.parametrize("show_all", [(), ("--show-all",)])
def test_no_name_of_the_kept_file_is_given_up(
    vecsim, pictures: Path, link: Make, show_all: tuple[str, ...]
) -> None:
    link(pictures / "0.jpg", pictures / "3.jpg")
    link(pictures / "9.jpg", pictures / "1.jpg")
    vecsim("build-index", "idx", pictures)
    for keep in ("largest", "oldest", "first"):
        ran = vecsim("cluster", "idx", "--keep", keep, *show_all)
        found = keeps(ran)
        kept = {(pictures / name).stat().st_ino for name in found if found[name] == "yes"}
        given_up = {(pictures / name).stat().st_ino for name in found if found[name] == "no"}
        assert kept and given_up
        assert not kept & given_up
        assert ("0.jpg" in found and "9.jpg" in found) == bool(show_all)


def test_a_link_is_left_out_rather_than_its_target(vecsim, pictures: Path) -> None:
    """Of several names of a file, the one without links takes part, whatever was listed first."""
    symlink(pictures / "0.jpg", pictures / "1.jpg")
    vecsim("build-index", "idx", pictures)
    found = keeps(vecsim("cluster", "idx"))
    assert found["1.jpg"] == "no" and "0.jpg" not in found


def test_a_mount_is_no_copy(vecsim, pictures: Path) -> None:
    mounted = Path("mounted")
    mounted.mkdir()
    done = subprocess.run(["mount", "--bind", pictures, mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no bind mount is permitted here")
    try:
        vecsim("build-index", "idx", pictures, mounted)
        ran = vecsim("cluster", "idx")
        assert len(ran.rows) == 5
        assert "6 images left out" in ran.err
        ran = vecsim("cluster", "idx", "--reference", mounted)
        assert set(keeps(ran).values()) == {"yes"}, "a name of each file is in the folder"
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_the_same_file_in_both_sets_is_no_match(vecsim, first: Path, second: Path) -> None:
    ran = vecsim("match", first, second)
    assert names(ran) == [("1.jpg", "3.jpg"), ("2.jpg", "3.jpg")]
    assert "1 pair left out: 1 of one file under two names. --show-all shows them." in ran.err
    assert len(names(vecsim("match", first, second, "--show-all"))) == 3


def test_two_spellings_of_a_path_are_one_file(vecsim, pictures: Path) -> None:
    (pictures / "sub").mkdir()
    Path("linked").symlink_to(pictures)
    spellings = {
        "plain": pictures / "3.jpg",
        "dots": f"{pictures}/sub/../3.jpg",
        "slashes": f"{pictures}//./3.jpg",
        "url": (pictures / "3.jpg").resolve().as_uri(),
        "folder": Path("linked").absolute() / "3.jpg",
    }
    vecsim("build-index", "idx", write_list("list.csv", spellings))
    ran = vecsim("match", "idx", "-t", "1")
    assert names(ran) == []
    assert "10 pairs left out" in ran.err
    ran = vecsim("cluster", "idx", "-t", "1")
    assert keeps(ran) == {}
    assert "4 images left out" in ran.err


def test_a_copy_at_another_place_is_a_match(vecsim, pictures: Path) -> None:
    shutil.copy(pictures / "3.jpg", pictures / "other.jpg")
    vecsim("build-index", "idx", pictures)
    assert names(vecsim("match", "idx", "-t", "1")) == [("3.jpg", "other.jpg")]
