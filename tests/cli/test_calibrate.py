"""`vecsim calibrate`: counts, pages to label, estimates, recommendations."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from support.label_page import label_pairs, pairs_on
from support.list_cases import save_as_german_excel
from vecsim.api import Index
from vecsim.index import Snapshot
from vecsim.operations.calibrating import calibration, pairs_to_label
from vecsim.search.score import normalise


def same_picture(query: str, reference: str) -> bool:
    """Whether two of the demo's pictures are the same: 1, 2 and 3 are one, 5 and 6 another."""
    return {query, reference} <= {"1", "2", "3"} or {query, reference} == {"5", "6"}


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 vectors in families of five with ids FAMILY-NUMBER; most families are far apart."""
    random = np.random.default_rng(5)
    centres = random.standard_normal((100, 24))
    noise = random.standard_normal((100, 5, 24)) * random.uniform(0.2, 0.8, (100, 1, 1))
    vectors = normalise((centres[:, None] + noise).reshape(500, 24))
    ids = [f"{family}-{number}" for family in range(100) for number in range(5)]
    path = tmp_path_factory.mktemp("families") / "families"
    Index.from_vectors(path, vectors, ids).close()
    return path


def one_family(query: str, reference: str) -> bool:
    return query.split("-")[0] == reference.split("-")[0]


def oracle(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """All scores above the diagonal, and whether each pair is of one family, by the full matrix."""
    with Index.open(path) as index:
        _, vectors = index.snapshot.slice(0, 500)
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    upper = np.triu_indices(500, 1)
    return np.rint(1e6 * (wide @ wide.T))[upper] / 1e6, (upper[0] // 5 == upper[1] // 5)


def test_counts_equal_those_of_the_full_matrix(vecsim, families: Path) -> None:
    scores, _ = oracle(families)
    ran = vecsim("calibrate", families)
    assert ran.status == 0
    assert ran.rows[0]["matches"] == str(500 * 499 // 2)
    for row in ran.rows:
        threshold = float(row["threshold"])
        assert int(row["matches"]) == (scores >= threshold).sum()
        # Rounded, because 0.085 + 0.005 is slightly more than 0.09 in floating point.
        assert (
            int(row["pairs"])
            == ((scores >= threshold) & (scores < round(threshold + 0.005, 3))).sum()
        )
    steps = np.diff([float(row["threshold"]) for row in ran.rows])
    assert np.allclose(steps, 0.005)
    assert "124,750 pairs scored." in ran.err


def test_two_sets_in_other_formats(vecsim, first: Path, second: Path) -> None:
    ran = vecsim("calibrate", first, second, "-f", "jsonl")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert (rows[0]["matches"], sum(row["pairs"] for row in rows)) == (6, 6)
    assert rows[-1] == {"threshold": 1.0, "pairs": 1, "matches": 1}
    assert "6 pairs scored." in ran.err and "at the current threshold, 0.6875." in ran.err
    table = vecsim("calibrate", first, second, "-f", "table").out
    assert len(table.splitlines()) == 2 + sum(1 for row in rows if row["pairs"])


def test_labelling_all_pairs_of_a_small_index_is_exact(vecsim, index: Path) -> None:
    ran = vecsim("calibrate", index, "--label", "l.html", "-o", "t.csv")
    assert (ran.status, ran.out) == (0, "")
    assert "l.html: a page of 15 pairs to label." in ran.err
    assert f"vecsim calibrate {index} --labels answers.csv" in ran.err
    assert len({pair[:2] for pair in pairs_on(Path("l.html"))}) == 15
    label_pairs(Path("l.html"), Path("a.csv"), same_picture)
    ran = vecsim("calibrate", index, "--labels", "a.csv", "--apply")
    assert ran.status == 0
    assert "15 answers: 4 same, 11 different." in ran.err
    assert "Recommended threshold: 0.75" in ran.err
    assert "precision: 1.000 (95 % interval 1.000 to 1.000)" in ran.err
    info = vecsim("info", index).out
    assert "threshold: 0.75 (set for the index)" in info
    assert len(vecsim("match", index).pairs) == 4
    assert json.loads(vecsim("info", index, "--json").out)["own_threshold"] is True
    assert vecsim("verify", index).status == 0
    ran = vecsim("calibrate", index, "--labels", "a.csv", "--label", "m.html")
    assert ran.status == 1
    assert "is labelled already" in ran.err and not Path("m.html").exists()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_answers_saved_by_a_german_excel_are_read(encoding: str, vecsim, index: Path) -> None:
    vecsim("calibrate", index, "--label", "l.html", "-o", "t.csv")
    label_pairs(Path("l.html"), Path("a.csv"), same_picture)
    save_as_german_excel(Path("a.csv"), encoding)

    ran = vecsim("calibrate", index, "--labels", "a.csv")

    assert ran.status == 0
    assert "15 answers: 4 same, 11 different." in ran.err


def test_two_pages_of_labels_give_a_threshold_with_true_intervals(vecsim, families: Path) -> None:
    scores, same = oracle(families)
    one = ("--label", "one.html", "-o", "t.csv")
    vecsim("calibrate", families, *one)
    first = label_pairs(Path("one.html"), Path("one.csv"), one_family, skip=2)
    ran = vecsim("calibrate", families, "--labels", first, "--label", "two.html", "-o", "t.csv")
    assert "50 answers:" in ran.err and ", 2 skipped." in ran.err
    assert "--labels one.csv --labels answers-2.csv" in ran.err
    second = label_pairs(Path("two.html"), Path("two.csv"), one_family)
    labelled = [{pair[:2] for pair in pairs_on(Path(f"{name}.html"))} for name in ("one", "two")]
    assert len(labelled[0] | labelled[1]) == 100
    ran = vecsim("calibrate", families, "--labels", first, "--labels", second)
    found = re.search(r"Recommended threshold: ([0-9.]+)", ran.err)
    assert found is not None, ran.err
    (row,) = [row for row in ran.rows if float(row["threshold"]) == float(found[1])]
    reached = scores >= float(found[1])
    assert float(row["precision_low"]) <= same[reached].mean() <= float(row["precision_high"])
    assert float(row["precision_high"]) - float(row["precision_low"]) <= 0.151
    floor = min(pair[3] for pair in pairs_on(Path("one.html")))
    recall = same[reached].sum() / same[scores >= floor].sum()
    assert float(row["recall_low"]) <= recall <= float(row["recall_high"])


def test_the_same_seed_draws_the_same_pairs(vecsim, families: Path) -> None:
    drawn = []
    for seed in (1, 1, 2):
        vecsim("calibrate", families, "--label", "l.html", "--seed", seed, "-o", "t.csv")
        drawn.append(pairs_on(Path("l.html")))
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == len({pair[:2] for pair in drawn[0]}) == 50
    for _, _, score, low, high in drawn[0]:
        assert low <= score < high


def test_pairs_are_drawn_evenly_within_a_stratum(families: Path) -> None:
    scores, _ = oracle(families)
    drawn = []
    with Snapshot(families) as snapshot:
        known = calibration(snapshot, snapshot)
        for seed in range(30):
            found = pairs_to_label(snapshot, snapshot, known, 50, seed=seed)
            lowest = found.strata[:, 0] == found.strata[:, 0].min()
            drawn.append(found.block.pairs.score[lowest])
            low, high = found.strata[lowest][0] / 1000 - 1
    inside = scores[(scores >= low) & (scores < high)]
    means = np.concatenate(drawn)
    assert len(inside) > 10 * len(drawn[0])
    off = abs(means.mean() - inside.mean()) / (inside.std() / np.sqrt(len(means)))
    assert off < 4


def test_too_few_labels_give_no_recommendation(vecsim, families: Path) -> None:
    vecsim("calibrate", families, "--label", "l.html", "--pairs", 10, "-o", "t.csv")
    label_pairs(Path("l.html"), Path("a.csv"), one_family)
    ran = vecsim("calibrate", families, "--labels", "a.csv", "--apply")
    assert ran.status == 1
    assert "No threshold can be recommended yet" in ran.err
    assert re.search(r"About \d+0 more answers", ran.err)
    assert "no threshold was stored" in ran.err
    assert "own" not in vecsim("info", families).out


def test_answers_about_removed_images_are_left_out(vecsim, index: Path) -> None:
    vecsim("calibrate", index, "--label", "l.html", "-o", "t.csv")
    label_pairs(Path("l.html"), Path("a.csv"), same_picture)
    vecsim("remove", index, "6")
    ran = vecsim("calibrate", index, "--labels", "a.csv")
    assert "10 answers: 3 same, 7 different." in ran.err
    assert "5 answers left out" in ran.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,answer\n1,same\n", "no column 'query_id'"),
        ("{head}1,2,0.8,0.7,0.9,maybe\n", "a.csv line 2: the answer is 'maybe'"),
        ("{head}1,2,0.8,0.7,,same\n", "a.csv line 2: its stratum is no range of scores"),
        ("{head}1,2,0.8,0.9,0.7,same\n", "a.csv line 2: its stratum is no range of scores"),
        ("{head}1,2,0.812500,0.8,0.9,skip\n", "none of the answers says same or different"),
        ("{head}8,9,0.8,0.7,0.9,same\n", "none of the answers says same or different"),
    ],
)
def test_invalid_answers_are_refused_with_their_line(
    vecsim, index: Path, text: str, message: str
) -> None:
    head = "query_id,reference_id,score,stratum_from,stratum_to,answer\n"
    Path("a.csv").write_text(text.replace("{head}", head))
    ran = vecsim("calibrate", index, "--labels", "a.csv")
    assert (ran.status, ran.out) == (1, "")
    assert message in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot", "c.svg"), "must end in .html or .png"),
        (("--label", "l.txt"), "--label l.txt: the name must end in .html"),
        (("--apply",), "give --labels"),
        (("--precision", "0"), "0"),
    ],
)
def test_invalid_options_are_refused_before_scoring(
    vecsim, index: Path, options, message: str
) -> None:
    ran = vecsim("calibrate", index, *options)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert "scored" not in ran.err


@pytest.mark.ci
def test_the_curve_as_a_page_and_as_a_png(vecsim, index: Path) -> None:
    vecsim("calibrate", index, "--label", "l.html", "-o", "t.csv")
    label_pairs(Path("l.html"), Path("a.csv"), same_picture)
    for labels in ((), ("--labels", "a.csv")):
        ran = vecsim("calibrate", index, *labels, "--plot", "c.html", "-o", "t.csv")
        assert ran.status == 0
        text = Path("c.html").read_text("utf-8")
        assert "default-src 'none'" in text and "script-src 'none'" in text
        assert not re.search(r"(src|href)\s*=", text)
        assert text.count('role="img"') == (2 if labels else 1)
        assert ("recommended 0.75" in text) == bool(labels)
        assert "0.935: 1 pairs; 1 match" in text
    pytest.importorskip("matplotlib")
    assert vecsim("calibrate", index, "--labels", "a.csv", "--plot", "c.png").status == 0
    assert Path("c.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_index_without_pairs(vecsim, pictures: Path) -> None:
    Path("one.csv").write_text("id,url\n1,pics/1.jpg\n")
    ran = vecsim("calibrate", "one.csv", "--plot", "c.html")
    assert (ran.status, ran.rows) == (0, [])
    assert "There are no pairs." in Path("c.html").read_text()
    ran = vecsim("calibrate", "one.csv", "--label", "l.html")
    assert ran.status == 1
    assert "no pairs to label" in ran.err
