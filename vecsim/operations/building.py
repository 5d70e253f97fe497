"""Putting images into an index: build, add, retry."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

from vecsim.engines.choice import open_engine
from vecsim.engines.engine import Job
from vecsim.engines.options import WorkOptions
from vecsim.errors import IndexExistsError
from vecsim.index import ImagesByHash, IndexFolder
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.models import load_embedder, resolve_model
from vecsim.operations.chunk import Chunk
from vecsim.operations.lookup import as_lookup
from vecsim.operations.own_model import check_model, open_embedder, own_weights
from vecsim.operations.planning import Plan
from vecsim.protocols import Embedder
from vecsim.records import AddReport, Embedded, Failure, ImageRef

log = logging.getLogger(__name__)

# The setting of an index that says whether it keeps thumbnails; one without it does.
THUMBNAILS = "thumbnails"

Watch = Callable[[AddReport], None]


def create(
    path: Path,
    model: str = "auto",
    weights: Path | None = None,
    work: WorkOptions | None = None,
    thumbnails: bool = True,
) -> Embedder:
    """Make an empty index for `model`; returns the model, loaded.

    `thumbnails`: whether small pictures of its images are kept, unless `add` changes that.
    Raises `IndexExistsError`, `ModelError`, `StorageError`.
    """
    if IndexFolder(path).exists():
        raise IndexExistsError(f"{path}: there is an index already. Add to it, or open it.")
    name, why = resolve_model(model, weights=weights)
    if why:
        log.warning("%s", why)
    embedder = load_embedder(name, weights=weights, device=(work or WorkOptions()).device)
    settings = {THUMBNAILS: "yes" if thumbnails else "no"}
    if weights is not None:
        settings["weights"] = str(weights.resolve())
    create_index(path, embedder.fingerprint, settings)
    return embedder


def build_index(
    path: Path,
    refs: Iterable[ImageRef],
    *,
    model: str = "auto",
    weights: Path | None = None,
    work: WorkOptions | None = None,
    on_duplicate: str = "error",
    thumbnails: bool | None = None,
    wait: bool = False,
    watch: Watch = lambda report: None,
    stop: Event | None = None,
) -> AddReport:
    """Make the index if it is not there yet and add `refs`; the same call again carries on."""
    embedder = None
    if IndexFolder(path).exists():
        check_model(path, model, weights)
    else:
        refs = _after_first(refs)
        embedder = create(path, model, weights, work, thumbnails is not False)
    return add(
        path,
        refs,
        embedder=embedder,
        weights=weights,
        work=work,
        on_duplicate=on_duplicate,
        thumbnails=thumbnails,
        wait=wait,
        watch=watch,
        stop=stop,
    )


def _after_first(refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
    """Read the first reference now, so that a source that cannot be read leaves no index behind."""
    source = iter(refs)
    first = next(source, None)

    def again() -> Iterator[ImageRef]:
        if first is not None:
            yield first
            yield from source

    return again()


def add(
    path: Path,
    refs: Iterable[ImageRef],
    *,
    embedder: Embedder | None = None,
    weights: Path | None = None,
    work: WorkOptions | None = None,
    on_duplicate: str = "error",
    thumbnails: bool | None = None,
    wait: bool = False,
    watch: Watch = lambda report: None,
    stop: Event | None = None,
) -> AddReport:
    """Add images; those known already are skipped without a download.

    `thumbnails`: whether small pictures are kept, from now on; None as the index remembers.
    `watch` is called often with the counts so far. When `stop` is set, what is done is committed
    and the report says `interrupted`. Whatever error is raised, what was done before is kept.
    """
    report = AddReport()

    def go_on() -> bool:
        # A list whose images are all known says nothing else for as long as it is read.
        watch(report)
        return stop is None or not stop.is_set()

    with Writer(path, wait=wait) as writer:
        if thumbnails is not None:
            with writer.catalog.transaction():
                writer.catalog.set_setting(THUMBNAILS, "yes" if thumbnails else "no")
        plan = Plan(writer.catalog, on_duplicate, report, go_on)
        chunk = Chunk(writer, report, settled=plan.settled)
        _run(chunk, plan.new(refs), embedder, weights, work, watch, stop)
    return report


def add_outcomes(
    path: Path, outcomes: Iterable[Embedded | Failure], *, on_duplicate: str = "error"
) -> AddReport:
    """Add images that were embedded elsewhere, and the failures among them, in one commit.

    Raises `DuplicateIdError` before anything is added, `IndexLockedError`.
    """
    report = AddReport()
    by_id = {outcome.ref.id: outcome for outcome in outcomes}
    with Writer(path) as writer:
        plan = Plan(writer.catalog, on_duplicate, report)
        new = list(plan.new(outcome.ref for outcome in by_id.values()))
        chunk = Chunk(writer, report, settled=plan.settled)
        thumbnails = writer.catalog.setting(THUMBNAILS) != "no"
        for ref in new:
            outcome = by_id[ref.id]
            if isinstance(outcome, Embedded) and not thumbnails:
                outcome = replace(outcome, thumbnail=b"")
            chunk.take(outcome)
        chunk.commit()
    return report


def retry(
    path: Path,
    *,
    weights: Path | None = None,
    work: WorkOptions | None = None,
    wait: bool = False,
    watch: Watch = lambda report: None,
    stop: Event | None = None,
) -> AddReport:
    """Try the recorded failures again, and only them."""
    with Writer(path, wait=wait) as writer:
        chunk = Chunk(writer, AddReport())
        _run(chunk, _failed(writer, chunk), None, weights, work, watch, stop)
    return chunk.report


def _failed(writer: Writer, chunk: Chunk) -> Iterator[ImageRef]:
    """The references of recorded failures, those of a refresh as what they are."""
    for failure in writer.catalog.failures.all():
        row = writer.catalog.images.by_id([failure.ref.id]).get(failure.ref.id)
        yield failure.ref if row is None or row.ref.url != failure.ref.url else chunk.check(row)


def refresh(
    path: Path,
    *,
    older_than: str | None = None,
    weights: Path | None = None,
    work: WorkOptions | None = None,
    wait: bool = False,
    watch: Watch = lambda report: None,
    stop: Event | None = None,
) -> AddReport:
    """Ask for each stored image again, and embed those whose bytes have changed.

    Servers are asked conditionally, so that what has not changed costs no download; bytes that come
    anyway are compared by their SHA-256. A changed image takes the place of the old one, as if it
    had been removed and added now; of an unchanged one, when it was checked is noted. One that
    cannot be had any more keeps its place and vector, and is recorded as a failure too.
    `older_than` (UTC, ISO 8601): only images neither fetched nor checked since. Images without a
    URL are passed over.
    """
    with Writer(path, wait=wait) as writer:
        chunk = Chunk(writer, AddReport())
        _run(chunk, _standing(writer, chunk, older_than), None, weights, work, watch, stop)
    return chunk.report


def _standing(writer: Writer, chunk: Chunk, older_than: str | None) -> Iterator[ImageRef]:
    """The references of all images that there are now; those this run replaces come later."""
    last = writer.catalog.counter("next_key")
    for row in writer.catalog.images.all():
        if row.key >= last:
            return
        if row.ref.url and (older_than is None or row.facts.fetched_at < older_than):
            yield chunk.check(row)


def _run(
    chunk: Chunk,
    refs: Iterable[ImageRef],
    embedder: Embedder | None,
    weights: Path | None,
    work: WorkOptions | None,
    watch: Watch,
    stop: Event | None,
) -> None:
    """Embed `refs` and commit them chunk by chunk."""
    report, writer = chunk.report, chunk.writer
    source = iter(refs)
    first = next(source, None)
    if first is None:
        report.interrupted = stop is not None and stop.is_set()
        return

    def all_refs() -> Iterator[ImageRef]:
        yield first
        yield from source

    # Loaded only now: a run that has nothing to do takes no time.
    model = embedder or open_embedder(writer.folder.path, writer.catalog, weights, work)
    known = ImagesByHash(writer.folder, lambda: writer.segments)
    thumbnails = writer.catalog.setting(THUMBNAILS) != "no"
    lookup = as_lookup(known, chunk.count_reused, thumbnails=thumbnails)
    options = work or WorkOptions()
    try:
        job = Job(
            model,
            weights or own_weights(writer.catalog),
            options,
            find_embedding=lookup,
            find_facts=chunk.stored,
            thumbnails=thumbnails,
        )
        with open_engine(options.engine).embedding(job) as outcomes:
            for outcome in outcomes.run(all_refs(), stop):
                if outcome is not None:
                    chunk.take(outcome)
                chunk.commit_if_due()
                watch(report)
    finally:
        known.close()
        # Also after an error or an interruption: what was paid for is kept.
        chunk.commit()
    report.interrupted = stop is not None and stop.is_set()
    watch(report)
