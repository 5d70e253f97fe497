"""Inputs on which an exact search could be slow, against a rounded NumPy matrix.

    python benchmarks/worst_inputs.py [--repeats 5] [--only TEXT] [--output FILE.json]

Scores that lie half-way between two decimals (signs, bits of hashes), answers of most pairs (tight
clusters, identical vectors, a threshold of -1), vectors without structure or of three dimensions,
small sets, and all kinds of vectors of `tests/support/strategies.py`, at -1 and at the score that
one pair of a hundred reaches. NumPy computes the float64 matrix, rounds it to six decimals, and
selects: for a range search and for the ten best of each query (any ten of equal ones; vecsim
returns all that tie), arrays in and arrays out, and for `match(a, b).to_numpy()` of two indexes,
with ids, each query's pairs by falling score. Every result of vecsim is compared with the exact
scores of all pairs of the stored vectors (`_exact_scores.py`): the same pairs, the same scores.
Ratios are of processor time, in the same run; the program ends with an error if one is above the
limit. Both have one thread: those of BLAS would wait for more work after a product, and use
processor time. Short work is done many times for one measurement.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read by imports below

import numpy as np
import numpy.typing as npt

from vecsim import Index, match
from vecsim.records import Float32
from vecsim.results import Pairs
from vecsim.search.axes import fit_axes
from vecsim.search.blocks import ReferenceBlock
from vecsim.search.range_search import range_search
from vecsim.search.score import normalise
from vecsim.search.sketch import make_sketch
from vecsim.search.top_k import top_k

sys.path.insert(0, str(Path(__file__).parent))
from _common import REPOSITORY, interleaved, report
from _exact_scores import exact_scores

sys.path.insert(0, str(REPOSITORY))
from tests.support.strategies import KINDS, make

QUERIES, REFERENCES, DIM, K = 300, 9_000, 768, 10
LIMIT = 3.0
LEAST_SECONDS = 0.05  # of one measurement
Work = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Input:
    """Unit vectors (q, d) and (n, d), and a threshold."""

    name: str
    queries: Float32
    references: Float32
    threshold: float


def inputs() -> Iterator[Input]:
    """Yield all inputs, seeded."""
    random = np.random.default_rng(1)
    count = QUERIES + REFERENCES

    def split(name: str, vectors: npt.ArrayLike, threshold: float) -> Input:
        unit = normalise(vectors)
        return Input(name, unit[:QUERIES], unit[QUERIES:], threshold)

    centre = random.standard_normal(DIM)
    cluster = centre + 0.1 * random.standard_normal((count, DIM))
    directions = random.standard_normal((count, DIM))
    yield split("signs, 256 dimensions", np.sign(random.standard_normal((count, 256))), 0.0)
    yield split("bits, 256 dimensions", random.integers(0, 2, (count, 256)), 0.5)
    yield split("tight cluster at 0.99", cluster, 0.99)
    yield split("tight cluster at -1", cluster, -1.0)
    yield split("identical vectors", np.tile(centre, (count, 1)), 1.0)
    yield split("random directions at -1", directions, -1.0)
    yield split("random directions at 0.12", directions, 0.12)
    yield split("3 dimensions at 0.9999", random.standard_normal((count, 3)), 0.9999)
    yield split("300 x 300 random directions at -1", directions[: 2 * QUERIES], -1.0)
    yield split("300 x 300 random directions at 0.1", directions[: 2 * QUERIES], 0.1)
    yield split("300 x 300 signs at -1", np.sign(directions[: 2 * QUERIES, :256]), -1.0)
    for kind in KINDS:
        unit = normalise(make(kind, count, DIM, seed=1))
        some = unit[:64] @ unit[-1024:].T
        for threshold in (-1.0, max(-1.0, round(float(np.quantile(some, 0.99)) - 1e-6, 6))):
            yield split(f"{kind} at {threshold:g}", unit, threshold)


def rounded(case: Input) -> Any:
    """Return the float64 matrix of cosines, rounded to six decimals."""
    return np.round(case.queries.astype(np.float64) @ case.references.T.astype(np.float64), 6)


def stored(case: Input, folder: Path) -> Input:
    """Make the indexes a and b in `folder`; return the input with the vectors that they store.

    An index normalises what it is given. The last bits of vectors that have unit length in float32
    change by that, and a score in a million with them.
    """
    sides = {"a": case.queries, "b": case.references}
    for name, vectors in sides.items():
        ids = [f"{name}{row}" for row in range(len(vectors))]
        Index.from_vectors(folder / name, vectors, ids).close()
        with Index.open(folder / name) as index:
            sides[name] = index.snapshot.slice(0, len(index))[1].copy()
    return replace(case, queries=sides["a"], references=sides["b"])


def works(case: Input, folder: Path) -> dict[str, dict[str, Work]]:
    """Return for each task NumPy's way and vecsim's; `folder` has the indexes a and b."""
    queries, references, threshold = case.queries, case.references, case.threshold
    sketched = ReferenceBlock(references, sketch=make_sketch(references, fit_axes(references)))
    ids = [
        np.array([f"{side}{row}" for row in range(len(vectors))], object)
        for side, vectors in (("a", queries), ("b", references))
    ]
    a, b = Index.open(folder / "a"), Index.open(folder / "b")

    def select(_: int) -> Any:
        matrix = rounded(case)
        rows, columns = np.nonzero(matrix >= threshold)
        return rows, columns, matrix[rows, columns]

    def best(_: int) -> Any:
        matrix = rounded(case)
        places = np.argpartition(matrix, -K, axis=1)[:, -K:]
        return places, np.take_along_axis(matrix, places, 1)

    def select_ids(_: int) -> Any:
        found = []
        for row, scores in enumerate(rounded(case)):
            columns = np.flatnonzero(scores >= threshold)
            columns = columns[np.argsort(-scores[columns])]
            found.append((np.full(len(columns), row), columns, scores[columns]))
        rows, columns, scores = map(np.concatenate, zip(*found, strict=True))
        return ids[0][rows], ids[1][columns], scores

    return {
        "range search": {
            "NumPy": select,
            "vecsim": lambda _: range_search(queries, sketched, threshold),
        },
        f"top {K}": {"NumPy": best, "vecsim": lambda _: top_k(queries, [sketched], K)},
        "match(a, b)": {
            "NumPy": select_ids,
            "vecsim": lambda _: match(a, b, threshold=threshold).to_numpy(),
        },
    }


def check(task: str, found: Any, truth: Any, threshold: float) -> None:
    """Compare a result of vecsim with the scores of all pairs: the same pairs and scores."""
    if isinstance(found, Pairs):
        rows, columns, scores = found.query, found.reference, found.score
    else:
        numbers = {f"{side}{row}": row for side in "ab" for row in range(max(truth.shape))}
        rows, columns = (
            [numbers[name] for name in found[side].tolist()]
            for side in ("query_id", "reference_id")
        )
        scores = found["score"]
    wanted = truth >= threshold
    if task.startswith("top"):  # with all that tie with the last
        wanted = truth >= np.partition(truth, -K, axis=1)[:, -K, None]
    filled = np.full(truth.shape, np.nan)
    filled[rows, columns] = scores
    assert len(scores) == wanted.sum(), (task, len(scores), wanted.sum())
    np.testing.assert_array_equal(filled, np.where(wanted, truth, np.nan))


def measure(case: Input, repeats: int, known: Truth) -> dict[str, Any]:
    """Measure one input; compare every result of vecsim with the scores of all pairs."""
    row: dict[str, Any] = {"input": case.name}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        case = stored(case, folder)
        truth = known.of(case)
        for task, both in works(case, folder).items():

            def verify(way: str, repeat: int, found: Any, task: str = task) -> None:
                if way == "vecsim":
                    check(task, found, truth, case.threshold)

            count = calls_of(both["NumPy"])
            many = {way: repeated(work, count) for way, work in both.items()}
            measured = interleaved(many, repeats, verify)
            numpy, own = measured["NumPy"].median_cpu, measured["vecsim"].median_cpu
            row[f"{task}: ms"] = round(1000 * own / count, 1)
            row[f"{task}: times NumPy"] = round(own / numpy, 1)
    return row


def calls_of(work: Work) -> int:
    """Return how many calls of `work` make one measurement."""
    started = time.process_time()
    work(0)
    return max(1, round(LEAST_SECONDS / max(1e-4, time.process_time() - started)))


def repeated(work: Work, count: int) -> Work:
    """Return a function that calls `work` so many times and returns the last result."""

    def run(repeat: int) -> Any:
        for _ in range(count - 1):
            work(repeat)
        return work(repeat)

    return run


class Truth:
    """The scores of all pairs, kept for the next input if it has the same vectors."""

    def __init__(self) -> None:
        self._case: Input | None = None
        self._scores: Any = None

    def of(self, case: Input) -> Any:
        """Return the exact scores of all pairs: float64 (q, n)."""
        known = self._case
        if (
            known is None
            or not np.array_equal(known.queries, case.queries)
            or not np.array_equal(known.references, case.references)
        ):
            self._case, self._scores = case, exact_scores(case.queries, case.references)
        return self._scores


def main() -> None:
    """Measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="inputs whose names hold this text")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows, known = [], Truth()
    for case in inputs():
        if options.only in case.name:
            rows.append(measure(case, options.repeats, known))
            print(rows[-1], file=sys.stderr, flush=True)
    report("worst_inputs", rows, options.output)
    over = [row for row in rows for name, value in row.items() if "times" in name and value > LIMIT]
    if over:
        sys.exit(f"{len(over)} ratios are above {LIMIT:g}.")


if __name__ == "__main__":
    main()
