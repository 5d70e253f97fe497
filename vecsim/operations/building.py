"""Putting images into an index: build, add, retry, refresh."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vecsim.engines.engine import Job, WorkOptions, open_engine, start_early
from vecsim.errors import FailureKind, IndexExistsError
from vecsim.index import IndexFolder
from vecsim.index.late_thumbnails import FROM_FILES
from vecsim.index.late_thumbnails import SETTING as THUMBNAILS
from vecsim.index.layout import create_index
from vecsim.index.writer import Writer
from vecsim.models import load_embedder, resolve_model
from vecsim.operations.chunk import Chunk
from vecsim.operations.index_settings import (
    check_model,
    keeps_thumbnails,
    load_index_model,
    settings_of,
    stored_weights,
    thumbnails_setting,
)
from vecsim.operations.known_images import ImagesByHash, NewImages, lookup_vectors
from vecsim.operations.orienting import SETTING as ORIENTATIONS
from vecsim.operations.orienting import complete_orientations, store_setting, stored_setting
from vecsim.operations.requests import ModelChoice, RunOptions
from vecsim.orientations import codes_of
from vecsim.protocols import Embedder
from vecsim.records import AddReport, Embedded, Failure, ImageRef

log = logging.getLogger(__name__)


def create(path: Path, options: RunOptions, *, from_files: bool = False) -> Embedder:
    """Make an empty index for `options.model`; returns the model, loaded.

    The index keeps thumbnails unless `options.thumbnails` is False; with `from_files`, and where
    that option is None, they are made of the files when they are shown.
    Raises `IndexExistsError`, `ModelError`, `StorageError`.
    """
    if IndexFolder(path).exists():
        raise IndexExistsError(f"{path}: there is an index already. Add to it, or open it.")
    model = options.model
    embedder = load_chosen_model(model, options.work)
    settings = settings_of(model, embedder, thumbnails=options.thumbnails is not False)
    if from_files and options.thumbnails is None:
        settings[THUMBNAILS] = FROM_FILES
    if options.orientations is not None:
        settings[ORIENTATIONS] = options.orientations
    create_index(path, embedder.fingerprint, settings)
    return embedder


def load_chosen_model(model: ModelChoice, work: WorkOptions) -> Embedder:
    """Load the model that was chosen, unless it is one that is loaded. Raises `ModelError`."""
    if model.embedder is not None:
        return model.embedder
    name, why = resolve_model(model.name, weights=model.weights)
    if why:
        log.warning("%s", why)
    return load_embedder(name, weights=model.weights, device=work.device, settings=model.settings)


def build_index(path: Path, refs: Iterable[ImageRef], options: RunOptions) -> AddReport:
    """Make the index if there is none yet, and add `refs`; calling it again resumes the work.

    Raises what `create` and `add` do, and `FingerprintError` for an index of another model.
    """
    if IndexFolder(path).exists():
        check_model(path, options.model)
    else:
        refs = _read_first(refs)
        start_early(options.work.engine)
        model = replace(options.model, embedder=create(path, options))
        options = replace(options, model=model)
    return add(path, refs, options)


def _read_first(refs: Iterable[ImageRef]) -> Iterator[ImageRef]:
    """Read the first reference now, so that a source that cannot be read leaves no index behind."""
    source = iter(refs)
    first = next(source, None)

    def all_refs() -> Iterator[ImageRef]:
        if first is not None:
            yield first
            yield from source

    return all_refs()


def add(path: Path, refs: Iterable[ImageRef], options: RunOptions) -> AddReport:
    """Add images; those that the index has already are skipped without a download.

    For known local files it is noted whether they are still there.
    Whatever error is raised, the images committed before it are kept. Raises `DuplicateIdError`,
    `InputError`, `ModelError`, `IndexLockedError`, `StorageError`.
    """
    report = AddReport()

    def go_on() -> bool:
        # A list whose images are all known reports nothing else while it is read.
        options.progress(report)
        return not options.stopped

    with Writer(path, wait=options.wait) as writer:
        store_thumbnails_setting(writer, options.thumbnails)
        store_setting(writer, options.orientations)
        writer.catalog.sources.places = options.places
        new = NewImages(writer.catalog, options.on_duplicate, report, go_on)
        chunk = Chunk(writer, report, on_commit=new.committed)
        run_chunks(chunk, new.of(refs), options)
        writer.mark_missing(new.now_missing, new.now_present)
        if options.orientations is not None:
            complete_orientations(writer, options, report)
    return report


def store_thumbnails_setting(writer: Writer, keep: bool | None) -> None:
    """Store whether the index keeps thumbnails from now on; None changes nothing."""
    if keep is not None:
        with writer.catalog.transaction():
            for name, value in thumbnails_setting(keep).items():
                writer.catalog.set_setting(name, value)


def add_outcomes(
    path: Path, outcomes: Iterable[Embedded | Failure], *, on_duplicate: str = "error"
) -> AddReport:
    """Add images that were embedded elsewhere, and the failures among them, in one commit.

    Raises `DuplicateIdError` before anything is added, `IndexLockedError`.
    """
    report = AddReport()
    by_id = {outcome.ref.id: outcome for outcome in outcomes}
    with Writer(path) as writer:
        new = NewImages(writer.catalog, on_duplicate, report)
        refs = list(new.of(outcome.ref for outcome in by_id.values()))
        chunk = Chunk(writer, report, on_commit=new.committed)
        thumbnails = keeps_thumbnails(writer.catalog)
        for ref in refs:
            outcome = by_id[ref.id]
            if isinstance(outcome, Embedded) and not thumbnails:
                outcome = replace(outcome, thumbnail=b"")
            chunk.take(outcome)
        chunk.commit()
    return report


def retry(path: Path, options: RunOptions) -> AddReport:
    """Try the recorded failures again, and only them. Raises what `add` does."""
    with Writer(path, wait=options.wait) as writer:
        chunk = Chunk(writer, AddReport())
        run_chunks(chunk, _failed_refs(writer, chunk), options)
    return chunk.report


def _failed_refs(writer: Writer, chunk: Chunk) -> Iterator[ImageRef]:
    """Yield the references of failures; those that failed in a refresh are checked again."""
    for failure in writer.catalog.failures.all():
        if failure.kind in (FailureKind.CONFLICT, FailureKind.BAD_ROW):
            continue  # it was not tried, and another try would not help
        if not failure.ref.url and failure.kind != FailureKind.BAD_URL:
            continue  # its picture was in memory: only who has it can add it again
        row = writer.catalog.images.by_id([failure.ref.id]).get(failure.ref.id)
        yield failure.ref if row is None or row.ref.url != failure.ref.url else chunk.check(row)


def refresh(path: Path, options: RunOptions, *, older_than: str | None = None) -> AddReport:
    """Request each stored image again, and embed those whose bytes have changed.

    Requests are conditional, so an unchanged image costs no download; bytes that are sent anyway
    are compared by SHA-256. A changed image replaces the old one, as if it had been removed and
    added now; for an unchanged one the time of the check is stored. An image that cannot be loaded
    any more keeps its place and vector, and is recorded as a failure too.
    `older_than` (UTC, ISO 8601): only images neither fetched nor checked since. Images without a
    URL are skipped.
    """
    with Writer(path, wait=options.wait) as writer:
        chunk = Chunk(writer, AddReport())
        run_chunks(chunk, _stored_refs(writer, chunk, older_than), options)
    return chunk.report


def _stored_refs(writer: Writer, chunk: Chunk, older_than: str | None) -> Iterator[ImageRef]:
    """Yield the references of all images stored now; replacements made by this run are left out."""
    end = writer.catalog.counter("next_key")
    for row in writer.catalog.images.all():
        if row.key >= end:
            return
        if row.ref.url and (older_than is None or row.facts.fetched_at < older_than):
            yield chunk.check(row)


def run_chunks(chunk: Chunk, refs: Iterable[ImageRef], options: RunOptions) -> None:
    """Embed `refs` and commit them chunk by chunk."""
    report, writer = chunk.report, chunk.writer
    source = iter(refs)
    first = next(source, None)
    if first is None:
        report.interrupted = options.stopped
        return

    def all_refs() -> Iterator[ImageRef]:
        yield first
        yield from source

    start_early(options.work.engine)
    # The model is loaded only now: a run that has nothing to do takes no time.
    embedder = load_index_model(writer.folder.path, writer.catalog, options.model, options.work)
    known = ImagesByHash(writer.folder, lambda: writer.segments)
    with options.working():
        try:
            job = _job(chunk, embedder, known, options)
            with open_engine(options.work.engine).embedding(job) as outcomes:
                for outcome in outcomes.run(all_refs(), options.stop):
                    if outcome is not None:
                        chunk.take(outcome)
                    chunk.commit_if_due()
                    options.progress(report)
        finally:
            known.close()
            # Also after an error or an interruption: downloads and vectors already made are kept.
            chunk.commit()
    report.interrupted = options.stopped
    options.progress(report)


def _job(chunk: Chunk, embedder: Embedder, known: ImagesByHash, options: RunOptions) -> Job:
    """Describe the work of a run to engines."""
    catalog = chunk.writer.catalog
    thumbnails = keeps_thumbnails(catalog)
    codes = codes_of(stored_setting(catalog))
    return Job(
        embedder,
        options.model.weights or stored_weights(catalog),
        options.work,
        find_embedding=lookup_vectors(
            known, chunk.count_reused, thumbnails=thumbnails, orientations=codes
        ),
        find_facts=chunk.stored_facts,
        thumbnails=thumbnails,
        orientations=codes,
    )
