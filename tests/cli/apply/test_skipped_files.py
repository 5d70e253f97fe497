"""Files of a list that `vecsim apply` leaves as they are, each with the reason."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from support.apply_lists import write_choices
from support.trees import tree


def _one_left(vecsim, folder: Path, choices: Path) -> str:
    """Move by a list of one file; return why that was left as it was."""
    before = tree(folder)
    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone")
    assert (ran.status, tree(folder)) == (3, before)
    (row,) = ran.rows
    assert row["status"] == "skipped"
    return row["why"]


def test_a_file_that_is_gone(vecsim, folder: Path, one: Path) -> None:
    (folder / "old/3.jpg").unlink()
    assert _one_left(vecsim, folder, one) == "it is not there any more"


def test_a_file_that_has_changed(vecsim, folder: Path, one: Path) -> None:
    (folder / "old/3.jpg").write_bytes((folder / "4.jpg").read_bytes())
    assert _one_left(vecsim, folder, one) == "its bytes have changed since it was indexed"


def test_a_kept_file_that_is_gone(vecsim, folder: Path, one: Path) -> None:
    (folder / "3.jpg").unlink()
    kept = (folder / "3.jpg").absolute()
    assert _one_left(vecsim, folder, one) == f"the kept file {kept}: it is not there any more"


def test_a_kept_file_that_has_changed(vecsim, folder: Path, one: Path) -> None:
    with (folder / "3.jpg").open("ab") as file:
        file.write(b"more")
    kept = (folder / "3.jpg").absolute()
    why = f"the kept file {kept}: its bytes have changed since it was indexed"
    assert _one_left(vecsim, folder, one) == why


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_kept_link_to_the_file_that_is_given_up(vecsim, folder, one, link) -> None:
    (folder / "3.jpg").unlink()
    link((folder / "old/3.jpg").absolute(), folder / "3.jpg")
    assert _one_left(vecsim, folder, one) == "it is the same file as the kept one"


def test_a_file_that_another_group_keeps_under_another_name(vecsim, folder: Path) -> None:
    (folder / "alias.jpg").symlink_to("old/3.jpg")
    vecsim("add", "idx", folder)
    choices = write_choices(
        {"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "alias.jpg": ("2", "yes")}
    )
    why = "it is the same file as one that the list keeps"
    assert _one_left(vecsim, folder, choices) == why


@pytest.mark.parametrize("group", ["1", "2"])
def test_a_file_to_which_a_kept_link_leads_that_the_index_does_not_know(
    group: str, vecsim, folder: Path
) -> None:
    (folder / "alias.jpg").symlink_to("old/3.jpg")
    choices = write_choices(
        {"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "alias.jpg": (group, "yes")}
    )
    assert _one_left(vecsim, folder, choices) == "it is the same file as one that the list keeps"


def test_a_file_that_is_not_in_the_index(vecsim, folder: Path) -> None:
    shutil.copy(folder / "3.jpg", folder / "new.jpg")
    choices = write_choices({"3.jpg": ("1", "yes"), "new.jpg": ("1", "no")})
    assert _one_left(vecsim, folder, choices) == "it is not in the index"


def test_an_image_that_was_judged_different_stays(vecsim, folder: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "yes"), "1.jpg": ("1", "no")})
    index = choices.parent / "idx"
    ids = [str((folder / name).absolute()) for name in ("3.jpg", "1.jpg")]
    assert vecsim("decisions", index, "--different", *ids).status == 0

    ran = vecsim("apply", choices, "--index", index, "--move-to", "bin")

    assert "judged different from what its group keeps" in ran.out + ran.err
    assert (folder / "1.jpg").exists()


def test_urls_are_listed_and_never_acted_on(vecsim, folder: Path, server) -> None:
    url = server.url("/3.jpg")
    Path("web.csv").write_text(f"url\n{url}\n")
    assert vecsim("add", "idx", "web.csv").status == 0
    choices = write_choices({"3.jpg": ("1", "yes"), url: ("1", "no")})

    ran = vecsim("apply", choices, "--index", "idx", "--trash", "--url-list", "urls.csv")

    assert (ran.status, [row["status"] for row in ran.rows]) == (0, ["url"])
    assert "1 image is not a local file: see urls.csv.\n" in ran.err
    (row,) = csv.DictReader(Path("urls.csv").read_text().splitlines())
    assert (row["id"], row["keep"], Path(row["kept_id"]).name) == (url, "no", "3.jpg")
