"""A folder of words that an index follows: real `sync`, `cluster`, `apply` and `undo`, with kills.

As in `support.word_folders`, the bytes of a file are a word, its letter is the picture. Only the
engine is replaced, by one that reads the word, so that thousands of random histories take minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from hypothesis import strategies as st

from support.kills import killed_in_fork
from support.on_disk import rows, state
from support.random_folder import RandomFolder
from support.trees import whole_tree
from support.word_folders import FINGERPRINT, THRESHOLD, choices, vector
from vecsim.engines import engine
from vecsim.engines.engine import EngineOptions, Job, WorkOptions
from vecsim.errors import ImageError, VecsimError
from vecsim.fetch.content import read_file
from vecsim.index import Snapshot
from vecsim.index.layout import create_index
from vecsim.operations.applying import Choice, apply_choices, undo
from vecsim.operations.clustering import clusters
from vecsim.operations.requests import Grouping, ModelChoice, RunOptions, SearchRequest
from vecsim.operations.syncing import SyncOptions, name_sources, sync
from vecsim.protocols import Preparation
from vecsim.records import Embedded, Failure, Fingerprint, ImageRef
from vecsim.sources import SourceOptions

PLACES = [f"{folder}{name}.jpg" for folder in ("", "x/", "x/y/", "z/") for name in "123"]


class _Words:
    """The model: a name only, since the engine knows the vectors."""

    fingerprint: Fingerprint = FINGERPRINT
    preparation = Preparation(8, "nearest")
    threshold: float | None = THRESHOLD

    def embed(self, pixels: Any) -> Any:
        raise AssertionError("the engine embeds")


class WordEngine:
    """Reads each file and takes its word's vector."""

    def __init__(self, options: EngineOptions) -> None:
        pass

    @contextmanager
    def embedding(self, job: Job) -> Iterator[WordEngine]:
        yield self

    def run(
        self, refs: Iterable[ImageRef], stop: Event | None = None
    ) -> Iterator[Embedded | Failure]:
        for ref in refs:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            try:
                fetched = read_file(Path(ref.url), ref.url, 1000)
            except ImageError as error:
                yield Failure(ref, error.kind, error.message, last_try=now)
            else:
                yield Embedded(ref, fetched.facts, vector(fetched.data.decode()))


engine._ENGINES["words"] = (__name__, "WordEngine")
_OPTIONS = RunOptions(
    ModelChoice(embedder=_Words()), WorkOptions(engine=EngineOptions("words")), wait=True
)


class FollowedFolder(RandomFolder):
    """Two sources (the folder and its subfolder `x`), their index and a journal."""

    def __init__(self, base: Path, data: st.DataObject) -> None:
        self._moment = 1_500_000_000
        (base / "p" / "x").mkdir(parents=True)
        super().__init__(base, data, PLACES)
        create_index(self.index, FINGERPRINT)

    # -- the folder, as other programs change it -----------------------------------------------

    def write(self, path: Path, word: str) -> None:
        """Write a file at a time of its own, with a mode."""
        self._moment += 3
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(word)
        path.chmod(0o600 + self._moment % 0o100)
        os.utime(path, ns=(self._moment * 10**9 + 1, self._moment * 10**9 + 2))

    def letters(self) -> set[str]:
        return {path.read_text()[0] for path in self.files()}

    # -- commands, each of which may be killed --------------------------------------------------

    def sync(self, kill: int = 0, *, both: bool = True, **how: bool) -> None:
        places = [str(self.folder), str(self.folder / "x")][: 2 if both else 1]
        options = SyncOptions(max_remove=100, allow_empty=True, **how)
        before = whole_tree(self.folder)
        self._run(
            kill, lambda: sync(self.index, name_sources(places, SourceOptions()), options, _OPTIONS)
        )
        assert whole_tree(self.folder) == before, "a sync changes no file"

    def apply(self, listed: list[Choice], method: str, kill: int = 0) -> None:
        kept = {
            path: path.read_bytes()
            for path in (Path(choice.url) for choice in listed if choice.keep)
            if path.is_file()
        }
        self._run(kill, lambda: apply_choices(self.index, listed, self.request(method)))
        for path, data in kept.items():
            assert path.read_bytes() == data, f"{path} was to be kept"

    def undo(self, kill: int = 0) -> None:
        if self.journal.exists():
            self._run(kill, lambda: undo(self.journal))

    def _run(self, kill: int, work: Any) -> None:
        try:
            killed_in_fork(kill, self.base, work) if kill else work()
        except VecsimError:
            return

    # -- lists ----------------------------------------------------------------------------------

    def proposed(self) -> list[Choice]:
        """The groups that `vecsim cluster` proposes."""
        linkage = self.draw(st.sampled_from(("medoid", "complete", "components")))
        keep = self.draw(st.sampled_from(("largest", "oldest", "first")))
        request = SearchRequest(THRESHOLD, show_all=self.draw(st.booleans()))
        with Snapshot(self.index) as snapshot:
            return choices(
                [(Path(ref.url), keep) for ref, keep in zip(group.members, group.keep, strict=True)]
                for group in clusters(snapshot, request, Grouping(linkage, keep))
            )

    def chosen(self) -> list[Choice]:
        """Groups by picture, each with at least one kept, as a person may choose."""
        return choices(self.grouped({path: path.read_text()[0] for path in self.files()}))

    def listed(self) -> list[Choice]:
        return self.proposed() if self.draw(st.booleans()) else self.chosen()

    # -- what the index must hold ----------------------------------------------------------------

    def content(self) -> object:
        """All images and failures, without times.

        An image that cannot be loaded any more, though it is listed, stays as a missing one; a
        fresh index has only the failure.
        """
        live = "SELECT id, sha256, missing_since FROM images WHERE removed_generation IS NULL"
        images = {id_: (sha256, missing) for id_, sha256, missing in rows(self.index, live)}
        failed = rows(self.index, "SELECT id, url, kind FROM failures ORDER BY id")
        gone = {id_ for id_, *_ in failed if id_ in images and images[id_][1] is not None}
        owners = "SELECT id, name FROM owners JOIN sources ON sources.number = source"
        found = state(self.index)
        return (
            {id_: (found[id_], images[id_]) for id_ in images.keys() - gone},
            failed,
            sorted(rows(self.index, owners)),
        )

    def fresh_content(self) -> object:
        """What an index holds that is made now."""
        fresh = self.base / "fresh"
        create_index(fresh, FINGERPRINT)
        used, self.index = self.index, fresh
        try:
            self.sync()
            return self.content()
        finally:
            self.index = used
