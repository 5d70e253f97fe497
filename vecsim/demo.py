"""The demonstration: two CSV files, a local HTTP server, two indexes, their matches."""

from __future__ import annotations

import csv
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vecsim.errors import InputError
from vecsim.files import temporary_errors
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.models import resolve_model
from vecsim.operations import building, matching
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.requests import ModelChoice, RunOptions, SearchRequest
from vecsim.render import Column, format_matrix, summarize_run, write_rows
from vecsim.results import Match
from vecsim.search.score import score_matrix
from vecsim.sources import read_source


def demo_folder() -> Path:
    """Return where the demo's CSV files and pictures are: in the package, or in its source tree."""
    package = Path(__file__).parent
    for folder in (package / "demo_data", package.parent / "demo"):
        if (folder / "test1.csv").is_file():
            return folder
    raise InputError(
        f"the demo's pictures are missing: {package / 'demo_data'}.", hint=Hint(Action.REINSTALL)
    )


def run_demo(
    model: ModelChoice,
    keep: Path | None,
    *,
    say: Callable[[str], Any],
    note: Callable[[str], Any],
) -> int:
    """Build and match two indexes; results go to `say`, explanations to `note`.

    The indexes stay in the folder `keep`, if one is given. Returns the exit status.
    """
    name, why = resolve_model(model.name, weights=model.weights)
    if why:
        note(f"{why}\n")
    # The port of the server differs each time.
    options = RunOptions(replace(model, name=name), on_duplicate="replace")
    with temporary_errors():
        folder = tempfile.TemporaryDirectory()
    with folder as temporary, _server(demo_folder()) as host:
        work = Path(temporary)
        paths = []
        for name in ("test1", "test2"):
            source = _with_host(demo_folder() / f"{name}.csv", host, work)
            path = (keep or work) / name
            shown = path if keep else name
            note(f"$ vecsim build-index {shown} {name}.csv   (pictures from {host})")
            report = building.build_index(path, read_source(source), options)
            note(f"  {summarize_run(report)}")
            if report.failed:
                return 1
            paths.append(path)
        with matching.open_pair(paths) as (queries, references):
            shown = f"{paths[0]} {paths[1]}" if keep else "test1 test2"
            note(f"$ vecsim match {shown}   (by {references.fingerprint.model})\n")
            _show_matches(queries, references, say=say, note=note)
    note(_NEXT.format(pictures=demo_folder() / "images"))
    return 0


def _show_matches(
    queries: Snapshot,
    references: Snapshot,
    *,
    say: Callable[[str], Any],
    note: Callable[[str], Any],
) -> None:
    """Print the matches as a table, and all scores as a matrix."""
    # Titles, which the command carries along too, instead of the long URLs.
    titles: list[str | Column] = ["test1", "test1_title", "test2", "test2_title"]
    found = matching.match(queries, references, SearchRequest())
    write_rows([*titles, Column("score", "score")], map(_row, found), "table")
    threshold = threshold_of(references)
    note(
        f"\nAll scores, test1 down and test2 across; a star marks scores of at least the "
        f"threshold, {threshold}:\n"
    )
    vectors = [snapshot.slice(0, snapshot.count)[1] for snapshot in (queries, references)]
    ids = [[row.ref.id for row in snapshot.all_rows()] for snapshot in (queries, references)]
    say(format_matrix(ids[0], ids[1], score_matrix(*vectors), threshold=threshold))


def _row(match: Match) -> list[str | float]:
    """Return the columns that the demo prints of a match."""
    query, reference = match.query_fields["title"], match.reference_fields["title"]
    return [match.query_id, query, match.reference_id, reference, match.score]


_NEXT = """
1 and 2 are edited copies of 3, and 6 is one of 5. Look at the pictures in the folder
{pictures}

Now with your own pictures:
  vecsim match ~/Pictures                           similar pictures in a folder
  vecsim match shop.csv supplier.csv -o pairs.csv   two lists of image URLs
  vecsim build-index indexes/shop shop.csv          an index on disk, which can grow
  vecsim query indexes/shop --url photo.jpg -k 5    the five most similar
  vecsim --help                                     everything else"""


class _Handler(SimpleHTTPRequestHandler):
    """Serves files without logging requests."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Serve `folder` on a free port of this machine; yields its address."""
    handler = partial(_Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _with_host(source: Path, host: str, folder: Path) -> Path:
    """Return a copy of the CSV whose relative URLs are on `host`."""
    copy = folder / source.name
    with source.open(encoding="utf-8", newline="") as old, copy.open("w", newline="") as new:
        rows = csv.DictReader(old)
        writer = csv.DictWriter(new, rows.fieldnames or [])
        writer.writeheader()
        writer.writerows({**row, "url": f"{host}/{row['url']}"} for row in rows)
    return copy
