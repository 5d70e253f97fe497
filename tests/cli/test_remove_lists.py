"""`vecsim remove --from`: which images of a list are removed, and messages about the others."""

from __future__ import annotations

from pathlib import Path

import pytest


def ids_left(vecsim, index: Path) -> set[str]:
    from vecsim import Index

    with Index.open(index) as opened:
        return {ref.id for ref in opened}


def test_of_the_list_of_cluster_only_rows_with_keep_no_are_removed(vecsim, index: Path) -> None:
    vecsim("cluster", index, "--output", "groups.csv")

    ran = vecsim("remove", index, "--from", "groups.csv")

    assert ran.status == 0
    assert ran.err == "six: 3 removed.\n2 images of the list stay: keep=yes.\n"
    left = ids_left(vecsim, index)
    assert len(left) == 3
    assert vecsim("match", index).pairs == []
    again = vecsim("remove", index, "--from", "groups.csv")
    assert again.status == 1
    assert again.err.startswith("Error: six: no image has the id ")
    assert ids_left(vecsim, index) == left


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet"])
def test_the_list_of_cluster_in_other_formats(vecsim, index: Path, suffix: str) -> None:
    vecsim("cluster", index, "--output", f"groups.{suffix}")
    assert vecsim("remove", index, "--from", f"groups.{suffix}").err.startswith("six: 3 removed.")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("id\n2\n6\n", ()),
        ("id,title\n2,poster\n6,lake\n", ()),
        ("sku\n2\n6\n", ()),
        ("title;sku\nposter;2\nlake;6\n", ("--id-column", "sku")),
        ("title|sku\nposter|2\nlake|6\n", ("--id-column", "2", "--delimiter", "|")),
        ("2\n6\n", ("--no-header",)),
        ("2,poster\n6,lake\n", ("--no-header",)),
        ("poster,2\nlake,6\n", ("--no-header", "--id-column", "2")),
    ],
)
def test_lists_that_have_only_ids(vecsim, index: Path, text: str, options: tuple[str, ...]) -> None:
    Path("sold.csv").write_text(text)

    ran = vecsim("remove", index, "--from", "sold.csv", *options)

    assert (ran.status, ran.err) == (0, "six: 2 removed.\n")
    assert ids_left(vecsim, index) == {"1", "3", "4", "5"}


def test_urls_are_the_ids_of_a_list_without_ids(vecsim, pictures: Path) -> None:
    vecsim("build-index", "folder", "pics")
    Path("gone.csv").write_text("url\npics/2.jpg\npics/6.jpg\n")

    assert vecsim("remove", "folder", "--from", "gone.csv").err == "folder: 2 removed.\n"
    assert vecsim("remove", "folder", "--from", "pics", "--missing-ok").err.startswith(
        "folder: 4 removed."
    )


def test_urls_that_the_index_knows_are_ids_in_any_column(vecsim, pictures: Path) -> None:
    Path("artikel.csv").write_text("Nr;Bild;Preis\n17;pics/1.jpg;5\n18;pics/2.jpg;6\n")
    vecsim("build-index", "new", "artikel.csv")

    assert vecsim("remove", "new", "--from", "artikel.csv").err == "new: 2 removed.\n"


def test_a_list_of_unknown_ids_is_reported(vecsim, index: Path) -> None:
    Path("other.csv").write_text("id\n70\n71\n")

    refused = vecsim("remove", index, "--from", "other.csv")
    allowed = vecsim("remove", index, "--from", "other.csv", "--missing-ok")
    quiet = vecsim("--quiet", "remove", index, "--from", "other.csv", "--missing-ok")

    assert (refused.status, allowed.status, quiet.status) == (1, 1, 1)
    assert refused.err == (
        "Error: six: no image has the id '70', '71'. Nothing was removed. "
        "Use --missing-ok to skip unknown ids.\n"
    )
    Path("more.csv").write_text("id\n" + "".join(f"{number}\n" for number in range(70, 512)))
    more = vecsim("remove", index, "--from", "more.csv")
    assert "six: none of the 442 ids is known: '70', '71', '72', '73', '74', …. N" in more.err
    warning = "Warning: six: no image has any of these ids: '70', '71'.\n"
    assert allowed.err == f"{warning}six: 0 removed.\n"
    assert quiet.err == warning


def test_some_unknown_ids_are_named(vecsim, index: Path) -> None:
    Path("some.csv").write_text("id\n1\n71\n")

    refused = vecsim("remove", index, "--from", "some.csv")

    assert refused.status == 1
    assert "no image has the id '71'. Nothing was removed." in refused.err
    assert vecsim("remove", index, "--from", "some.csv", "--missing-ok").err == "six: 1 removed.\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,keep\n1,no\n2,maybe\n", "list.csv line 3: keep is 'maybe'; write yes or no."),
        ("id,keep\n1,no\n2,\n", "list.csv line 3: keep is ''; write yes or no."),
        ("id,keep\n1,no\n1,yes\n", "list.csv: '1' is listed with keep=yes and with keep=no."),
        (
            "position,title\n1,lake\n",
            "list.csv line 1: which column has the ids? There are: position, title.",
        ),
        ("url,id\n,\n,1\nx,\n", None),
    ],
)
def test_invalid_lists_remove_nothing(vecsim, index: Path, text: str, message: str | None) -> None:
    Path("list.csv").write_text(text)

    ran = vecsim("remove", index, "--from", "list.csv")

    assert ran.status == 1
    if message is not None:
        assert message in ran.err
    assert len(ids_left(vecsim, index)) == 6


def test_a_list_that_keeps_everything_removes_nothing(vecsim, index: Path) -> None:
    Path("keep.csv").write_text("id,keep\n1,yes\n2,YES\n")
    Path("empty.csv").write_text("id\n")

    kept = vecsim("remove", index, "--from", "keep.csv")
    empty = vecsim("remove", index, "--from", "empty.csv")

    assert (kept.status, kept.err) == (0, "keep.csv: no row says keep=no. Nothing was removed.\n")
    assert (empty.status, empty.err) == (0, "empty.csv: it lists no images. Nothing was removed.\n")


def test_a_list_of_pairs_is_refused_and_the_next_step_named(vecsim, index: Path) -> None:
    vecsim("match", index, "--output", "pairs.csv")

    ran = vecsim("remove", index, "--from", "pairs.csv")

    assert ran.status == 1
    assert ran.err == (
        "Error: pairs.csv line 1: this list has pairs of images (query_id, reference_id), not "
        "images. Remember what was decided about them with: vecsim decisions INDEX --import "
        "pairs.csv\n"
    )
