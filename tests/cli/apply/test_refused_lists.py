"""Lists and options that `vecsim apply` refuses before it changes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.apply_lists import write_choices
from support.trees import tree


def _refused(vecsim, folder: Path, choices: Path, *options: object) -> str:
    before = tree(folder)
    ran = vecsim("apply", choices, "--index", "idx", "--move-to", "gone", *options)
    assert ran.status in (1, 2) and tree(folder) == before
    assert not Path("groups.journal").exists()
    return str(ran.err)


def test_an_image_that_is_kept_and_given_up(vecsim, folder: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "yes"), "2.jpg": ("1", "no"), "1.jpg": ("2", "yes")})
    with choices.open("a") as file:
        place = (folder / "3.jpg").absolute()
        file.write(f"2,{place},{place},no\n")
    told = _refused(vecsim, folder, choices)
    assert (
        "groups.csv line 5: " in told and "is given up here and kept on groups.csv line 2" in told
    )


def test_a_group_that_keeps_nothing(vecsim, folder: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "no"), "old/3.jpg": ("1", "no")})
    assert "groups.csv line 2: group 1 keeps no image." in _refused(vecsim, folder, choices)


def test_an_image_below_the_threshold(vecsim, folder: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "yes"), "old/3.jpg": ("1", "no"), "4.jpg": ("1", "no")})
    told = _refused(vecsim, folder, choices)
    assert "below the threshold of 0.6875 with every image that their group keeps: " in told
    assert "4.jpg (" in told and "old/3.jpg" not in told
    assert "If the list was made with a lower --threshold, give the same one" in told


def test_an_image_below_the_threshold_that_was_judged_the_same(vecsim, folder: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "yes"), "4.jpg": ("1", "no")})
    index = choices.parent / "idx"
    ids = [str((folder / name).absolute()) for name in ("3.jpg", "4.jpg")]
    assert vecsim("decisions", index, "--same", *ids).status == 0

    ran = vecsim("apply", choices, "--index", index, "--move-to", "bin")

    assert ran.status == 0, ran.err
    assert (folder / "3.jpg").exists()
    assert not (folder / "4.jpg").exists()


def test_a_list_of_another_index(vecsim, folder: Path, index: Path, workplace: Path) -> None:
    choices = write_choices({"3.jpg": ("1", "yes"), "2.jpg": ("1", "no")})
    ran = vecsim("apply", choices, "--index", workplace / index)
    assert ran.status == 1
    assert "six: has none of the 2 images of this list." in ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,url\n1,a.jpg\n", "bad.csv: needs the columns id, group and keep"),
        (
            "id,url,group,keep\n1,a.jpg,1,maybe\n",
            "bad.csv line 2: keep is 'maybe'; write yes or no",
        ),
        ("query_id,reference_id,score,mark\n1,2,1.0,same\n", "which of the two to give up"),
    ],
)
def test_a_list_of_another_kind(vecsim, folder: Path, text: str, told: str) -> None:
    Path("bad.csv").write_text(text)
    ran = vecsim("apply", "bad.csv", "--index", "idx")
    assert ran.status == 1 and told in ran.err


def test_a_folder_in_which_files_would_be_found_again(vecsim, folder: Path, one: Path) -> None:
    ran = vecsim("apply", one, "--index", "idx", "--move-to", folder / "duplicates")
    assert ran.status == 2 and "files there would be found again" in ran.err
    hidden = folder / ".duplicates"
    assert vecsim("apply", one, "--index", "idx", "--move-to", hidden).status == 0
    assert set(tree(hidden)) == {"old/3.jpg"}


def test_two_methods_at_once(vecsim, one: Path) -> None:
    ran = vecsim("apply", one, "--index", "idx", "--trash", "--move-to", "gone")
    assert ran.status == 2 and "choose one of --trash and --move-to." in ran.err
    ran = vecsim("apply", one, "--index", "idx", "--trash", "--delete", "--yes")
    assert ran.status == 2 and "choose one of --trash and --delete." in ran.err
