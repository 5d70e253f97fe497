"""What people decide in the review of one index: stored in it, and applied to its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vecsim.errors import UsageError
from vecsim.index import Snapshot
from vecsim.operations import deciding
from vecsim.operations.applying import (
    ApplyReport,
    ApplyRequest,
    Choice,
    UndoReport,
    apply_choices,
    undo,
)
from vecsim.records import ImageRef
from vecsim.sources import DecidedPair
from vecsim.web.problems import ProblemError

Contradictions = Sequence[Sequence[ImageRef | str]]
"""Chains of images; a picture of no image is named by its SHA-256."""


@dataclass(frozen=True, slots=True)
class DecidedCounts:
    """What storing decisions did. `forgotten`: how many were taken back."""

    imported: deciding.ImportedDecisions
    forgotten: int
    contradictions: Contradictions


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What to do with the files of images that are given up, see `ApplyRequest`.

    `plan`: of the dry run of the same request; None for a dry run.
    """

    choices: Sequence[Choice]
    method: str
    folder: str | None
    threshold: float | None
    plan: str | None


class ReviewService:
    """Stores decisions in the index at `path`, which clients know as `name`; acts on its files."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    # -- decisions -----------------------------------------------------------------------------

    def list_decisions(self) -> tuple[list[deciding.ListedDecision], Contradictions]:
        """Return all decisions, and those that contradict each other. Raises `VecsimError`."""
        return deciding.list_decisions(self._path)

    def decide(
        self, pairs: Sequence[DecidedPair], taken_back: Sequence[tuple[str, str]]
    ) -> DecidedCounts:
        """Store decisions, and forget those about the pairs of ids `taken_back`.

        Pairs about which nothing can be decided are counted. Raises `VecsimError`.
        """
        forgotten = deciding.forget(self._path, taken_back, missing_ok=True) if taken_back else 0
        imported = deciding.ImportedDecisions()
        if pairs:
            imported = deciding.import_decisions(self._path, pairs)
        return DecidedCounts(imported, forgotten, self.list_decisions()[1])

    # -- files ---------------------------------------------------------------------------------

    def apply(self, asked: FileRequest) -> tuple[str, ApplyReport]:
        """Act on the files that are given up, or say what would be done; returns the plan too.

        The plan stands for the request and the index. Raises `ProblemError` for another one than
        that of the dry run, and `VecsimError`.
        """
        plan = self._plan_of(asked)
        if asked.plan is not None and asked.plan != plan:
            raise ProblemError(
                409,
                "other-plan",
                f"{self._name}: the request or the index has changed since the dry run. Nothing "
                f"was done.",
                "Send it without a plan, and look at what would be done.",
            )
        request = ApplyRequest(
            asked.method,
            _absolute(asked.folder),
            asked.threshold,
            self._new_journal(),
            dry_run=asked.plan is None,
        )
        return plan, apply_choices(self._path, asked.choices, request)

    def undo(self, journal: str) -> UndoReport:
        """Bring back what `journal` records, a file beside the index.

        Raises `ProblemError` for another name, and `VecsimError`.
        """
        index = self._path.resolve()
        pattern = rf"{re.escape(index.name)}-\d{{8}}-\d{{6}}\.journal"
        if not re.fullmatch(pattern, journal) or not index.with_name(journal).is_file():
            raise ProblemError(
                404, "unknown-journal", f"{self._name}: no journal is called {journal!r}."
            )
        return undo(index.with_name(journal))

    def _new_journal(self) -> Path:
        index = self._path.resolve()
        return index.with_name(f"{index.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.journal")

    def _plan_of(self, asked: FileRequest) -> str:
        with Snapshot(self._path) as snapshot:
            state = [
                snapshot.generation,
                [[*each.pair, each.verdict] for each in snapshot.decisions()],
            ]
        choices = [[each.group, each.id, each.keep] for each in asked.choices]
        text = json.dumps([state, choices, asked.method, asked.folder, asked.threshold])
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def _absolute(folder: str | None) -> Path | None:
    """Return an absolute path; raises `UsageError` for one that depends on the server's folder."""
    if folder is None:
        return None
    try:
        path = Path(folder).expanduser()
    except RuntimeError as error:  # no such user
        raise UsageError(f"{folder}: {error}") from error
    if not path.is_absolute() or "\0" in folder:
        raise UsageError(
            f"{folder}: name the folder by its whole path, such as /home/me/duplicates."
        )
    return path


def names_of(chains: Contradictions) -> list[list[str]]:
    """Return chains as ids, or SHA-256."""
    return [[each if isinstance(each, str) else each.id for each in chain] for chain in chains]
