"""An index whose vectors do not fit into memory: results, time and anonymous memory.

    python benchmarks/larger_than_memory.py FOLDER [--count 10000000] [--output FILE.json]

FOLDER gets an index of `count` vectors of 768 dimensions between real ones, seeded (for ten million
31 GB of vectors, 5 GB of sketches, 3 GB of catalog); an existing one is used. A new process then
opens it and queries for all above a threshold and for the 10 best. Its anonymous memory (RssAnon:
not mapped from files) is compared with the size of the vectors, and every result with all scores in
float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from vecsim import Index
from vecsim.index import Snapshot
from vecsim.records import Float32
from vecsim.search.score import score_matrix

sys.path.insert(0, str(Path(__file__).parent))
from _common import anonymous_mb, features, interpolated, peak_memory, report

PART = 262_144
K = 10
THRESHOLD = 0.845
REPEATS = 5


def build(path: Path, count: int) -> None:
    """Make the index, or add what an interrupted run did not."""
    done = 0
    if path.exists():
        with Index.open(path) as index:
            done = len(index)
    for start in range(done, count, PART):
        vectors = interpolated(min(PART, count - start), seed=1000 + start)
        names = range(start, start + len(vectors))
        if start == 0:
            Index.from_vectors(path, vectors, names).close()
        else:
            with Index.open(path) as index:
                index.add_vectors(vectors, names)
        print(f"{start + len(vectors):,} vectors", file=sys.stderr, flush=True)


def some_queries(count: int) -> Float32:
    """Return `count` of the real embeddings, evenly spread."""
    queries = features()[0]
    return queries[:: len(queries) // count][:count]


def ask(path: Path, count: int) -> dict[str, Any]:
    """Query, in a process of its own: results, times and anonymous memory."""
    queries = some_queries(count)
    before = anonymous_mb()
    answers: dict[str, Any] = {"range": [], "top": []}
    times: dict[str, list[float]] = {"first": [], "range": [], "top": []}
    with peak_memory() as peak:
        index = Index.open(path)
        for repeat in range(REPEATS):
            for query in queries:
                for name, wanted in (("range", {"threshold": THRESHOLD}), ("top", {"top_k": K})):
                    started = time.perf_counter()
                    rows = index.query(query, **wanted).to_numpy().tolist()
                    taken = time.perf_counter() - started
                    if repeat == 0:
                        answers[name].append([[int(row[1]), row[2]] for row in rows])
                        times["first"].append(taken)
                    else:
                        times[name].append(taken)
    return {
        "answers": answers,
        "ms": {name: 1000 * statistics.median(runs) for name, runs in times.items()},
        "first ms": [1000 * taken for taken in times["first"]],
        "anonymous MB": peak[0] + before,
    }


def verify(path: Path, answers: dict[str, Any], count: int) -> int:
    """Compare the results with all scores in float64; return how many pairs there are."""
    queries = some_queries(count)
    found: list[list[tuple[int, float]]] = [[] for _ in queries]
    with Snapshot(path) as snapshot:
        for start in range(0, snapshot.count, PART // 4):
            keys, vectors = snapshot.slice(start, start + PART // 4)
            for query, scores in zip(found, score_matrix(queries, vectors), strict=True):
                # The best K of all are among the best K of each part.
                least = min(THRESHOLD, float(np.partition(scores, -K)[-K]))
                near = np.flatnonzero(scores >= least)
                # Keys count from 1, ids from 0.
                query += zip((keys[near] - 1).tolist(), scores[near].tolist(), strict=True)
    pairs = 0
    for number, query in enumerate(found):
        query.sort(key=lambda pair: (-pair[1], str(pair[0])))
        wanted = [list(pair) for pair in query if pair[1] >= THRESHOLD]
        assert answers["range"][number] == wanted, f"range search, query {number}"
        assert answers["top"][number] == [list(p) for p in query[:K]], f"top {K}, query {number}"
        pairs += len(wanted)
    return pairs


def main() -> None:
    """Build, measure, verify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = options.folder / "index"
    if options.ask:
        print(json.dumps(ask(path, options.queries)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    build(path, options.count)
    built = time.perf_counter() - started
    command = [sys.executable, __file__, str(options.folder), "--ask"]
    command += ["--queries", str(options.queries)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    asked = json.loads(done.stdout)
    pairs = verify(path, asked["answers"], options.queries)
    size = options.count * features()[0].shape[1] * 4 / 2**20
    row = {
        "vectors": options.count,
        "MB of vectors": round(size),
        "anonymous MB": round(asked["anonymous MB"]),
        "share": round(asked["anonymous MB"] / size, 4),
        "first query ms": round(asked["first ms"][0]),
        "range ms": round(asked["ms"]["range"]),
        f"top {K} ms": round(asked["ms"]["top"]),
        "pairs, all as in float64": pairs,
        "seconds to build": round(built),
    }
    report("larger_than_memory", [row], options.output)


if __name__ == "__main__":
    main()
