"""`vecsim decisions`: decisions are stored, listed, imported, exported, forgotten and used."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from support.list_cases import save_as_german_excel


def decided(vecsim, index: Path | str = "six") -> list[tuple[str, str, str]]:
    rows = vecsim("decisions", index).rows
    return [(row["verdict"], row["first_id"], row["second_id"]) for row in rows]


def marks(vecsim, index: Path, **answers: str) -> Path:
    """A list of judged pairs: the columns of `match` and a column `mark`."""
    ran = vecsim("match", index)
    with Path("marks.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*ran.rows[0], "mark"])
        for row in ran.rows:
            mark = answers.get(f"p{row['query_id']}{row['reference_id']}")
            if mark is not None:
                writer.writerow([*row.values(), mark])
    return Path("marks.csv")


def test_an_index_without_decisions_lists_none(vecsim, index: Path) -> None:
    ran = vecsim("decisions", index)

    assert (ran.status, ran.err) == (0, "six: 0 decisions\n")
    assert ran.out.strip() == (
        "verdict,first_id,first_url,second_id,second_url,decided_at,first_sha256,second_sha256"
    )


def test_decisions_are_stored_changed_listed_and_forgotten(vecsim, index: Path) -> None:
    ran = vecsim("decisions", index, "--different", "1", "2", "--different", "5", "6")
    assert (ran.status, ran.err) == (0, "six: 2 pairs remembered as different.\n")
    assert sorted(verdict for verdict, *_ in decided(vecsim)) == ["different", "different"]

    vecsim("decisions", index, "--same", "2", "1")
    found = {frozenset(pair): verdict for verdict, *pair in decided(vecsim)}
    assert found == {frozenset("12"): "same", frozenset("56"): "different"}

    assert vecsim("decisions", index, "--forget", "6", "5").err == "six: 1 decision forgotten.\n"
    assert [set(pair) for _, *pair in decided(vecsim)] == [{"1", "2"}]
    assert vecsim("decisions", index, "--forget-all").err == "six: 1 decision forgotten.\n"
    assert decided(vecsim) == []


def test_marks_of_a_report_are_imported(vecsim, index: Path) -> None:
    file = marks(vecsim, index, p12="reject", p13="keep", p23="different")

    ran = vecsim("decisions", index, "--import", file)

    assert ran.status == 0
    assert ran.err.splitlines()[0] == "six: 3 decisions stored."
    assert {frozenset(pair): verdict for verdict, *pair in decided(vecsim)} == {
        frozenset("12"): "different",
        frozenset("13"): "same",
        frozenset("23"): "different",
    }
    assert vecsim("decisions", index, "--import", file).err.splitlines()[0] == (
        "six: 0 decisions stored, 3 known already."
    )


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_decisions_saved_by_a_german_excel_are_imported(encoding: str, vecsim, index: Path) -> None:
    file = marks(vecsim, index, p12="reject", p13="keep")
    save_as_german_excel(file, encoding)

    ran = vecsim("decisions", index, "--import", file)

    assert ran.status == 0
    assert {frozenset(pair): verdict for verdict, *pair in decided(vecsim)} == {
        frozenset("12"): "different",
        frozenset("13"): "same",
    }


def test_marks_of_two_indexes_are_stored_in_the_index_of_the_references(
    vecsim, first: Path, second: Path
) -> None:
    vecsim("build-index", "ours", first)
    vecsim("build-index", "theirs", second)
    ran = vecsim("match", "ours", "theirs", "--names", "our", "their")
    lines = ran.out.splitlines()
    wrong = [f"{line},reject" for line in lines[1:] if line[0] in "12"]
    Path("marks.csv").write_text("\n".join([f"{lines[0]},mark", *wrong]))

    refused = vecsim("decisions", "theirs", "--import", "marks.csv")
    ran = vecsim("decisions", "theirs", "--import", "marks.csv", "--queries", "ours")

    assert refused.status == 1
    assert "theirs: none of the " in refused.err
    assert "name it with --queries" in refused.err
    assert ran.status == 0
    assert ran.err == "theirs: 2 decisions stored.\n"
    assert vecsim("decisions", "ours").rows == []


def test_an_id_with_another_url_is_another_image(vecsim, index: Path) -> None:
    file = marks(vecsim, index, p12="reject", p13="reject")
    file.write_text(file.read_text().replace("1.jpg", "elsewhere.jpg", 1))

    ran = vecsim("decisions", index, "--import", file)

    assert ran.err.splitlines() == [
        "six: 1 decision stored.",
        "1 pair left out: of images that are not in the index, or have another URL there.",
    ]


def test_exported_decisions_can_be_imported_elsewhere(vecsim, index: Path) -> None:
    vecsim("decisions", index, "--different", "1", "2", "--same", "1", "3")
    assert vecsim("decisions", index, "-o", "d.csv").err == ("six: 2 decisions, written to d.csv\n")
    Path("one.csv").write_text("id,url\n9,http://127.0.0.1:9/none.jpg\n")
    vecsim("build-index", "other", "one.csv")

    ran = vecsim("decisions", "other", "--import", "d.csv")

    assert (ran.status, ran.err) == (0, "other: 2 decisions stored.\n")
    there, here = vecsim("decisions", "other").rows, vecsim("decisions", index).rows
    for row in here:
        row.update(dict.fromkeys(("first_id", "first_url", "second_id", "second_url"), ""))
    assert there == here


def test_the_newer_of_two_decisions_counts(vecsim, index: Path) -> None:
    vecsim("decisions", index, "--different", "1", "2")
    vecsim("decisions", index, "-o", "old.csv")
    vecsim("decisions", index, "--same", "1", "2")

    ran = vecsim("decisions", index, "--import", "old.csv")

    assert ran.err == "six: 0 decisions stored, 1 known already.\n"
    assert [verdict for verdict, *_ in decided(vecsim)] == ["same"]


def test_contradictions_are_listed(vecsim, index: Path) -> None:
    vecsim("decisions", index, "--same", "1", "2", "--same", "2", "3")

    ran = vecsim("decisions", index, "--different", "3", "1")

    (line,) = [line for line in ran.err.splitlines() if line.startswith("Contradiction")]
    ends = line.removeprefix("Contradiction: ").split(" are different, but ")
    assert ends[0] in ("1 and 3", "3 and 1")
    assert ends[1] in ("1 = 2 = 3 are the same.", "3 = 2 = 1 are the same.")
    assert line in vecsim("decisions", index).err


def test_decisions_survive_new_names_and_a_compaction(vecsim, index: Path, pictures: Path) -> None:
    vecsim("decisions", index, "--different", "1", "2")
    for number in ("1", "2"):
        shutil.move(pictures / f"{number}.jpg", pictures / f"renamed-{number}.jpg")
        vecsim("remove", index, number)
    Path("again.csv").write_text("id,url\na,pics/renamed-1.jpg\nb,pics/renamed-2.jpg\n")
    vecsim("add", index, "again.csv")
    vecsim("compact", index)

    assert [set(pair) for _, *pair in decided(vecsim)] == [{"a", "b"}]
    assert vecsim("verify", index).status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--same", "1", "9"), 1, "no image has the id '9'"),
        (("--forget", "1", "2"), 1, "nothing is decided about '1' and '2'"),
        (("--same", "1", "2", "--forget-all"), 2, "one change at a time"),
        (("--same", "1", "2", "--output", "d.csv"), 2, "are for listing decisions"),
        (("--queries", "six"), 2, "--queries is for --same, --different and --import"),
        (("--import", "none.csv"), 1, "no such file or folder: none.csv"),
        (("--import", "plain.csv"), 1, "plain.csv: this is no list of decisions."),
        (("--import", "word.csv"), 1, "word.csv line 2: mark is 'maybe'; write same, different"),
        (("--import", "hash.csv"), 1, "hash.csv line 2: 'abc' is no SHA-256"),
    ],
)
def test_invalid_arguments_and_lists_are_refused(
    vecsim, index: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    Path("plain.csv").write_text("id,url\n1,x\n")
    Path("word.csv").write_text("query_id,reference_id,mark\n1,2,maybe\n")
    Path("hash.csv").write_text(
        "verdict,first_id,second_id,first_sha256,second_sha256\nsame,1,2,abc,def\n"
    )

    ran = vecsim("decisions", index, *arguments)

    assert ran.status == status
    assert message in ran.err
    assert vecsim("decisions", index).rows == []


def test_pairs_of_identical_files_or_external_vectors_cannot_be_decided(
    vecsim, pictures: Path
) -> None:
    shutil.copy(pictures / "1.jpg", pictures / "copy.jpg")
    Path("two.csv").write_text("id,url\n1,pics/1.jpg\ncopy,pics/copy.jpg\n")
    vecsim("build-index", "two", "two.csv")
    import numpy as np

    from vecsim import Index

    Index.from_vectors("bare", np.eye(3), ["a", "b", "c"]).close()

    same = vecsim("decisions", "two", "--different", "1", "copy")
    bare = vecsim("decisions", "bare", "--different", "a", "b")

    assert (same.status, bare.status) == (2, 2)
    assert "1 and copy have the same bytes: there is nothing to decide." in same.err
    assert "a: only its vector is known, not its bytes" in bare.err


def test_pairs_judged_different_are_left_out_and_counted(vecsim, index: Path) -> None:
    vecsim("decisions", index, "--different", "5", "6")
    left_out = "1 pair left out: 1 judged different. --show-all shows them."

    match = vecsim("match", index)
    query = vecsim("query", index, "--id", "5")
    both = vecsim("match", index, index)

    assert {pair[:2] for pair in match.pairs} == {("1", "3"), ("1", "2"), ("2", "3")}
    assert left_out in match.err
    assert (query.pairs, left_out in query.err) == ([], True)
    assert "2 judged different" in both.err
    assert len(vecsim("match", index, "--show-all").pairs) == 4
    assert len(vecsim("query", index, "--id", "5", "--show-all").pairs) == 1
    vecsim("decisions", index, "--forget", "5", "6")
    assert "left out" not in vecsim("match", index).err


def test_clusters_follow_the_decisions(vecsim, index: Path) -> None:
    vecsim("decisions", index, "--different", "5", "6", "--same", "4", "6")

    ran = vecsim("cluster", index)

    groups: dict[str, set[str]] = {}
    for row in ran.rows:
        groups.setdefault(row["group"], set()).add(row["id"])
    assert sorted(map(sorted, groups.values())) == [["1", "2", "3"], ["4", "6"]]
    keeps = {row["id"]: row["keep"] for row in ran.rows}
    assert sorted(keeps[name] for name in ("4", "6")) == ["no", "yes"]
    assert "1 pair judged different: in no group together. --show-all ignores that." in ran.err
    vecsim("decisions", index, "--same", "4", "5")
    again = vecsim("cluster", index)
    assert "1 contradiction among the decisions: see `vecsim decisions six`." in again.err
    groups_of = {row["id"]: row["group"] for row in again.rows}
    assert groups_of.get("5", "none") != groups_of.get("6")
