"""Reports of pairs for tests in a browser: writing one, and reading what the page exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from support.html_pages import row, webp
from vecsim.index.match_blocks import MatchBlock
from vecsim.render.report import ReportHead, open_report
from vecsim.results import Pairs


def write(
    path: Path, pairs: list[tuple[int, int, float]], turned: list[int] | None = None, **head: Any
) -> Path:
    """Write a report of pairs of queries q1, q2, … and references r1, r2, …

    `turned`: the code of each query's orientation.
    """
    query, reference, score = zip(*pairs, strict=True) if pairs else ((), (), ())
    itself = head.get("itself", False)
    queries = {key: row(key, f"q{key}", title=f"title, of {key}") for key in query}
    references = {key: row(key, f"{'q' if itself else 'r'}{key}") for key in reference}
    codes = None if turned is None else np.array(turned, np.int64)
    arrays = Pairs(np.array(query, np.int64), np.array(reference, np.int64), np.array(score), codes)
    block = MatchBlock(arrays, queries | (references if itself else {}), references)
    if itself:
        block = MatchBlock(arrays, references | queries, references | queries)
    given = {"title": "Two shops", "query_fields": ["title"], "reference_fields": [], **head}
    with open_report(path, ReportHead(**given)) as report:
        report.add(block, lambda keys: {k: webp(k) for k in keys if k != 9}, lambda keys: {})
    return path


PAIRS = [(1, 1, 0.95), (1, 2, 0.9), (1, 3, 0.85), (2, 1, 1.0), (9, 4, 0.87)]


def exported(page: Any, press: Callable[[], None]) -> list[dict[str, str]]:
    with page.expect_download() as download:
        press()
    assert download.value.suggested_filename == "judgements.csv"
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
