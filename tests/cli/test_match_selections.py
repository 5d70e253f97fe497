"""`vecsim match --mutual`, `--one-to-one` and `--unmatched`, on real pictures."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_one_to_one_takes_each_image_once_the_best_pair_first(vecsim, index: Path) -> None:
    every = sorted(vecsim("match", index).pairs, key=lambda pair: -pair[2])

    ran = vecsim("match", index, "--one-to-one")

    assert ran.status == 0
    assert every[0] in ran.pairs
    ids = [image for pair in ran.pairs for image in pair[:2]]
    assert len(ids) == len(set(ids)) == 4
    assert set(ran.pairs) < set(every)


def test_mutual_best_matches_of_two_lists(vecsim, index: Path, second: Path) -> None:
    ran = vecsim("match", index, second, "--mutual")

    # Pictures 1 and 2 match picture 3 too, but it matches itself better.
    assert [pair[:2] for pair in ran.pairs] == [("3", "3"), ("4", "4")]


def test_unmatched_images_are_written_as_a_list_that_can_be_read(
    vecsim, index: Path, second: Path
) -> None:
    ran = vecsim("match", index, second, "-o", "pairs.csv", "--unmatched", "rest.csv")

    assert ran.status == 0
    assert "2 images without a match, written to rest.csv\n" in ran.err
    lines = Path("rest.csv").read_text().splitlines()
    assert lines[0] == "id,url,title"
    assert [line.split(",")[0] for line in lines[1:]] == ["5", "6"]
    assert lines[1].endswith(",picture 5")
    assert vecsim("remove", index, "--from", "rest.csv").err == "six: 2 removed.\n"


def test_unmatched_images_of_a_set_matched_with_itself(vecsim, index: Path) -> None:
    ran = vecsim("match", index, "-o", "pairs.csv", "--unmatched", "rest.jsonl")

    assert "1 image without a match, written to rest.jsonl" in ran.err
    assert '"id":"4"' in Path("rest.jsonl").read_text().replace(" ", "")
    one = vecsim("match", index, "--one-to-one", "-o", "p.csv", "--unmatched", "rest.csv")
    assert "2 images without a match, written to rest.csv" in one.err


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--mutual", "--one-to-one"), 2, "Ask for one of these only"),
        (("--unmatched", "-"), 2, "--unmatched -: name a file."),
        (("--unmatched", "rest.xlsx"), 2, "no output format has the extension .xlsx"),
        (("--unmatched", "none/rest.csv"), 1, "there is no folder none"),
        (("--unmatched", "rest.csv", "--since", "1d"), 2, "leave out --since"),
    ],
)
def test_contradictory_or_invalid_options_are_refused(
    vecsim, index: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    ran = vecsim("match", index, *options)

    assert (ran.status, ran.out) == (status, "")
    assert message in ran.err
    assert not Path("rest.csv").exists()
