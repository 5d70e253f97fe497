"""The functions `match`, `apply_decisions` and `undo` of the library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from threading import Event

from vecsim.api.arguments import Model, list_options, model_choice
from vecsim.api.index import Index
from vecsim.api.progress import ProgressTo, SearchWatch, check_progress, counting
from vecsim.api.results import Matches
from vecsim.api.sides import Side, SideOptions, open_sides
from vecsim.engines.engine import EngineOptions, WorkOptions
from vecsim.operations import applying, matching
from vecsim.operations.applying import ApplyReport, ApplyRequest, UndoReport
from vecsim.operations.requests import SearchRequest, parse_timestamp
from vecsim.sources import SourceOptions


def match(
    a: Side,
    b: Side | None = None,
    *,
    threshold: float | None = None,
    best_only: bool = False,
    mutual: bool = False,
    one_to_one: bool = False,
    since: str | date | None = None,
    new_only: bool = False,
    skip_placeholders: int | None = None,
    show_all: bool = False,
    orientations: str | None = None,
    model: Model = "auto",
    weights: str | Path | None = None,
    id: str | None = None,
    url: str | Sequence[str] | None = None,
    image: str | None = None,
    options: SourceOptions | None = None,
    work: WorkOptions | None = None,
    engine: EngineOptions | None = None,
    progress: ProgressTo = None,
    cancel: Event | None = None,
    wait: bool | float = True,
) -> Matches:
    """Find every pair of an image of `a` and one of `b` with score >= `threshold`, exactly.

    `a`, `b`: indexes or their paths; paths of lists, folders and pictures; or images and tables, as
    in `Index.add`: bytes, open files, Pillow images, pixels, paths, URLs, by their ids in a
    mapping. Without `b`, `a` is matched with itself: each pair once.
    `threshold`: from -1 to 1; by default b's own, or its model's.
    `best_only`: only the best match of each image of `a`.
    `mutual`: only pairs of which each image is the other's best match; equal scores: the first id.
    `one_to_one`: each image in one pair at most: the pair with the highest score, then the best
    pair of the images that are left, and so on; equal scores: in the order of the ids.
    `since`: only pairs with an image added then or later: a `datetime`, 2026-01-31,
    2026-01-31T08:00 (local unless it names its zone), or a span before now such as 36h, 7d.
    `new_only`: only pairs with an image that was added, or whose bytes changed, in the last
    complete sync.
    `skip_placeholders`: leave out pictures that so many images of `a`, or of `b`, share, as one
    file or saved again; at least 2.
    `show_all`: also report pairs with an image that is missing, pairs that are one file, uniform
    pictures, and pairs that were judged different; by default the result's `hidden` counts them.
    `orientations`: in which the images of `a` are compared: "none" (the default), "mirror",
    "turns", "all" or "parts"; if `a` is an index, it must store them. Without `b`, a pair's score
    is the larger of both directions.

    For what is no index: `model`, `weights`: what makes the vectors, by default that of the index
    on the other side; `id`, `url`, `image`: columns of tables and lists; `options`: all other ways
    in which lists are read; `work`: how images are loaded. A list or folder gets an index in the
    folder that the variable VECSIM_INDEXES names, by default `indexes`, which is kept and brought
    up to date by the next call. Images that are held get none; a picture in memory without an id
    has its position as id, from "0". The result's `failures` lists those that could not be loaded.

    `engine`: where the search runs, by default on this machine. `progress`: True for a bar, or a
    function of a `Progress`, for images that are loaded now, and when the result is read. `cancel`:
    once it is set, `StoppedError` is raised. `wait`: seconds to wait at most while another process
    writes to the index of a list or folder; by default without a limit.

    Raises `UsageError`, `FingerprintError` (two models), `IndexMissingError`, `IndexDamagedError`,
    and what `Index.add` does.

    >>> for pair in vecsim.match(shop, threshold=0.9):
    ...     print(pair.query_id, pair.reference_id, pair.score)
    Pictures/1.jpg Pictures/3.jpg 0.9375
    >>> from PIL import Image
    >>> photos = [Image.open(f"Pictures/{name}.jpg") for name in (1, 2, 3)]
    >>> vecsim.match(photos, model="phash", threshold=0.9).to_numpy().tolist()
    [('0', '2', 0.9375)]
    """
    request = SearchRequest(
        threshold,
        best_only=best_only,
        mutual=mutual,
        one_to_one=one_to_one,
        since=None if since is None else parse_timestamp(since),
        new_only=new_only,
        skip_placeholders=skip_placeholders,
        show_all=show_all,
        orientations=orientations,
    )
    check_progress(progress)
    matching.check_best_only(request, itself=b is None)
    how = SideOptions(
        model_choice(model, weights),
        work or WorkOptions(),
        list_options(options, id, url, None),
        image,
        orientations,
        progress,
        cancel,
        # Hiding placeholders changes a snapshot, so it must not be the one that an `Index` uses.
        private=skip_placeholders is not None,
        wait=wait,
    )
    sides = open_sides(a, b, how)
    watch = SearchWatch(progress, cancel, sides.queries.count)
    found = matching.match(sides.queries, sides.references, request, engine=engine, progress=watch)
    return Matches(found, sides.queries, sides.references, sides.what, watch, sides.failures)


def apply_decisions(
    decisions: str | Path,
    index: Index | str | Path,
    *,
    method: str = "none",
    folder: str | Path | None = None,
    threshold: float | None = None,
    journal: str | Path | None = None,
    dry_run: bool = False,
    wait: bool | float = False,
    progress: ProgressTo = None,
    cancel: Event | None = None,
) -> ApplyReport:
    """Act on the files that a list gives up: those whose column `keep` says no.

    `decisions`: a CSV, TSV or JSON lines file with the columns id, group and keep. `index`: the
    index that the list was made from, which knows the bytes of each file.
    `method`: "none" (only report what the list gives up), "trash", "move" (to `folder`, with their
    subfolders), "hardlink", "symlink" or "reflink" (only files with the same bytes as the kept
    one), or "delete", which cannot be undone.
    `threshold`: the lowest score of a file with the kept one; by default the index's own, or its
    model's. `journal`: the file that records each step, by default beside `decisions`. `dry_run`:
    check everything and change nothing. `wait`: as in `Index.add`. `progress`:
    True for a bar, or a function of a `Progress`. `cancel`: once it is set, `StoppedError` is
    raised after the file in progress.

    The whole list is checked before anything is done. Then each file is left as it is if it or the
    kept file is missing or has other bytes than the index knows, or if both are one file. Files
    that leave their place leave the index too. After a crash, the same call continues.

    Raises `InputError`, `UsageError`, `UnknownIdError`, `IndexLockedError`, `StorageError`.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("groups.csv", index=False)
    >>> vecsim.apply_decisions("groups.csv", shop, method="move", folder="gone", dry_run=True)
    <ApplyReport: 1 planned, 0 removed from the index; journal None>
    """
    path = index.path if isinstance(index, Index) else Path(index)
    record = Path(journal) if journal is not None else Path(decisions).with_suffix(".journal")
    request = ApplyRequest(
        method,
        Path(folder) if folder is not None else None,
        threshold,
        record,
        dry_run=dry_run,
        wait=wait,
    )
    choices = applying.read_choices(decisions)
    with counting(progress, cancel, "Acting on the files") as report:
        return applying.apply_choices(path, choices, request, report)


def undo(
    journal: str | Path,
    *,
    wait: bool | float = False,
    progress: ProgressTo = None,
    cancel: Event | None = None,
) -> UndoReport:
    """Bring back what `apply_decisions` moved, linked or put into the trash.

    Files get their old place, mode and times, and their images return to the index. Deleted files
    are listed only. It can be repeated. `progress`, `cancel`: as in `apply_decisions`. Raises
    `InputError`, `IndexLockedError`, `StorageError`.

    >>> groups = shop.clusters(threshold=0.9).to_pandas(fields=True)
    >>> groups.to_csv("moved.csv", index=False)
    >>> vecsim.apply_decisions("moved.csv", shop, method="move", folder="gone").removed
    1
    >>> vecsim.undo("moved.journal")
    <UndoReport: 1 of 1 files are back, 0 were deleted, 1 images are in the index again>
    """
    with counting(progress, cancel, "Bringing files back") as report:
        return applying.undo(Path(journal), wait=wait, progress=report)
