"""Wrong input: each mistake has a message and an exit status, and changes no file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

ADVICE = 'A quote inside a quoted field is written twice: "a 5"" disc".'


def test_a_missing_source_leaves_no_index(vecsim) -> None:
    ran = vecsim("build-index", "new", "missing.csv")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "Error: no such file or folder: missing.csv\n"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", [], "list.csv is empty. A list of images has at least a header line"),
        (b" \n\n", [], "list.csv is empty."),
        (
            b"id,url\n1,pics/1.jpg\n",
            ["--url-column", "ulr"],
            "list.csv line 1: no column 'ulr'. Did you mean 'url'? There are: id, url.",
        ),
        (
            b"id,url\n1,pics/1.jpg\n",
            ["--id-column", "sku"],
            "list.csv line 1: no column 'sku'. There are: id, url.",
        ),
        (
            b'id,url\n1,"pics/1.jpg\n',
            [],
            f"list.csv line 2: a quote is opened in this row and never closed. {ADVICE}",
        ),
        (b'id,url\n1,"pics"/1.jpg\n', [], "list.csv line 2: broken quoting"),
        (
            "id,url\n1,pics/туфли.jpg\n".encode("cp1251"),
            [],
            "list.csv line 2: bytes that are not utf-8 (f2, hex). Name the encoding of the file",
        ),
        (
            b"id,title\n1,shoe\n2,hat\n",
            [],
            "list.csv line 1: the column title does not look like URLs or paths of pictures (shoe)",
        ),
        (
            b"id,price,image_link\n1,9.99,http://127.0.0.1:9/1.jpg\n",
            ["--url-column", "price"],
            "the column price does not look like URLs; image_link does. Name the column: "
            "--url-column image_link",
        ),
        (b"id,url\n1,a,b\n", [], "list.csv line 2: 3 fields where the first row has 2"),
        (
            b"PK\x03\x04",
            [],
            "list.csv is a zip archive or an Excel workbook, not a list of",
        ),
        (b"id,url\n1,x.jpg\n", ["--encoding", "utf-9"], "unknown encoding 'utf-9'."),
        (b"id,url\n1,x.jpg\n", ["--delimiter", "::"], "the delimiter must be one character"),
        (
            b"id,url\n1,x.jpg\n",
            ["--header", "token"],
            "--header: write the header as 'Name: value'",
        ),
        (b"id,url\n1,x.jpg\n", ["--timeout", "0"], "Invalid value for '--timeout'"),
        (b"id,url\n1,x.jpg\n", ["--model", "resnet"], "unknown model 'resnet'."),
    ],
)
def test_an_invalid_list_or_option_is_refused_before_an_index_is_made(
    content: bytes, options: list[str], message: str, vecsim
) -> None:
    Path("list.csv").write_bytes(content)

    ran = vecsim("build-index", "new", "list.csv", *options)

    assert ran.status in (1, 2)
    assert message in ran.err
    assert ran.err.count("Error") == 1
    assert "Traceback" not in ran.err and "unexpected" not in ran.err
    assert not Path("new").exists()


@pytest.mark.ci
def test_an_error_in_the_middle_keeps_completed_work(vecsim, pictures: Path) -> None:
    Path("list.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg\n2,pics/3.jpg\n")

    broken = vecsim("build-index", "new", "list.csv")
    Path("list.csv").write_text("id,url\n1,pics/1.jpg\n2,pics/2.jpg\n3,pics/3.jpg\n")
    corrected = vecsim("build-index", "new", "list.csv")

    assert broken.status == 1
    assert broken.err.startswith("2 images processed before the error below and kept: ")
    assert "list.csv line 4: id '2' stands for " in broken.err
    assert (corrected.status, corrected.err) == (0, "new: 1 added, 2 already known.\n")


def test_an_id_listed_twice_follows_on_duplicate(vecsim, pictures: Path) -> None:
    Path("list.csv").write_text("id,url\n1,pics/1.jpg\n1,pics/2.jpg\n")
    message = f"list.csv line 3: id '1' stands for {pictures}/1.jpg already, and now for "

    refused = vecsim("build-index", "new", "list.csv")
    skipped = vecsim("build-index", "new", "list.csv", "--on-duplicate", "skip")
    replaced = vecsim("build-index", "new", "list.csv", "--on-duplicate", "replace")

    assert (refused.status, skipped.status, replaced.status) == (1, 0, 0)
    assert message in refused.err
    assert "or --on-duplicate skip or replace." in refused.err
    assert skipped.err == "new: 0 added, 2 already known.\n"
    assert "1 replaced" in replaced.err


def test_images_of_another_model_are_not_added(vecsim, index: Path, second: Path) -> None:
    ran = vecsim("build-index", index, second, "--model", "mobilenet")

    assert ran.status == 1
    assert "six: made with phash (64 dimensions, " in ran.err
    assert "but mobilenet was asked for. Vectors of two models cannot be compared" in ran.err
    assert vecsim("match", second, index, "--model", "mobilenet").err == ran.err


def test_indexes_of_two_models_are_not_matched(vecsim, index: Path) -> None:
    from vecsim import Index

    Index.from_vectors("own", [[1.0, 2.0], [2.0, 1.0]], ["a", "b"], model="clip").close()

    for words in (("six", "own"), ("own", "six")):
        ran = vecsim("match", *words, "--threshold", "0.9")
        assert (ran.status, ran.out) == (1, "")
        assert "phash (64 dimensions" in ran.err
        assert "clip (2 dimensions" in ran.err


def test_an_index_of_external_vectors_embeds_no_images(vecsim, second: Path) -> None:
    from vecsim import Index

    Index.from_vectors("own", [[1.0, 2.0]], ["a"], model="clip").close()

    for words in (("add", "own", second), ("query", "own", "--url", "pics/1.jpg", "-t", "0.9")):
        ran = vecsim(*words)
        assert ran.status == 1
        assert "own: holds vectors of 'clip', which is not a model of vecsim" in ran.err
    ran = vecsim("query", "own", "--id", "a")
    assert ran.status == 2
    assert "own: vectors of 'clip' have no usual threshold. Give one with --threshold." in ran.err


@pytest.mark.parametrize("text", ["1.01", "-2", "nan", "inf", "high"])
@pytest.mark.parametrize("words", [("match", "six"), ("query", "six", "--id", "1")])
def test_a_threshold_outside_minus_1_to_1_is_refused(text: str, words, vecsim, index: Path) -> None:
    ran = vecsim(*words, "--threshold", text)

    assert (ran.status, ran.out) == (2, "")
    if text == "high":
        assert "'high' is not a valid float" in ran.err
    else:
        assert f"threshold {float(text)} is not between -1 and 1: scores are cosines." in ran.err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("match", "six", "-o", "no/x.csv"), 1, "no/x.csv: there is no folder no. Create it"),
        (("match", "six", "--matrix", "no/x.npy"), 1, "no/x.npy: there is no folder no."),
        (("match", "six", "-o", "six", "-f", "csv"), 1, "six: this is a folder."),
        (
            ("match", "six", "-o", "x.xlsx"),
            2,
            "no output format has the extension .xlsx. Use one of .csv,",
        ),
        (
            ("match", "six", "--since", "yesterday"),
            2,
            "'yesterday' is not a time: write 2026-01-31",
        ),
        (
            ("match", "six", "--names", "a", "a"),
            2,
            "both names of a match are 'a'; they must",
        ),
        (("match", "six", "--best-only"), 2, "a set alone is matched with itself"),
        (("match", "-", "-"), 2, "Standard input can be read only once"),
        (("query", "six", "--id", "1", "-o", "no/x.csv"), 1, "there is no folder no."),
        (("query", "six", "--id", "1", "-k", "0"), 2, "0 is not in the range x>=1"),
        (("remove", "six"), 2, "name the images: give ids or --from LIST."),
        (
            ("remove", "six", "7", "8"),
            1,
            "six: no image has the id '7', '8'. Nothing was removed. Use",
        ),
        (("list-images", "none"), 1, "no such file or folder: none"),
        (("list-images", "first.csv"), 1, "first.csv is a file; name a folder."),
        (("build-index", "pics", "first.csv"), 1, "pics: there is something else already."),
        (("build-index", "first.csv", "pics"), 1, "first.csv: there is something else already."),
        (("info", "pics"), 1, "pics: not a vecsim index: that folder holds no cat"),
        (("info", "none"), 1, "none: not a vecsim index: there is nothing at that path. Make one"),
        (("verify", "first.csv"), 1, "first.csv: not a vecsim index: that is a file."),
        (("add", "none", "first.csv"), 1, "Make one with: vecsim build-index none SOURCE"),
    ],
)
def test_an_invalid_command_changes_nothing(
    words, status: int, message: str, vecsim, index: Path, first: Path
) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}

    ran = vecsim(*words)

    assert (ran.status, ran.out) == (status, "")
    assert message in ran.err
    assert ran.err.count("Error: ") == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_zero_or_infinite_vector_is_refused(bad: float, index: Path) -> None:
    from vecsim import Index
    from vecsim.errors import VectorError

    with Index.open(index) as opened, pytest.raises(VectorError, match="vector"):
        opened.query(np.full(64, bad))
    with pytest.raises(VectorError, match="1"):
        Index.from_vectors("own", [[1.0, 2.0], [bad, bad]], ["a", "b"])
    assert not Path("own").exists()
