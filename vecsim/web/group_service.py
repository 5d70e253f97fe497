"""The groups of one index of the server: found when they are asked for, kept until it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vecsim.errors import VecsimError
from vecsim.index import Snapshot
from vecsim.operations.clustering import clusters, pair_scores
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.picture_facts import details_of
from vecsim.operations.requests import SearchRequest
from vecsim.records import Cluster
from vecsim.render.review import GroupFacts
from vecsim.web.problems import problem_from_error

MAX_IMAGES = 200_000
"""Images of all groups that are kept in memory; further groups are counted only."""


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group, and the facts for its review."""

    group: Cluster
    facts: GroupFacts


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups of a generation of an index at a threshold. `left_out`: over `MAX_IMAGES`."""

    generation: int
    threshold: float
    fields: Sequence[str]
    groups: Sequence[FoundGroup]
    left_out: int


class GroupService:
    """Finds the groups of one index, on a thread of its own: searches go on meanwhile.

    The result of the latest request is kept, since a browser asks for it part by part.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._thread = ThreadPoolExecutor(1, f"group {name}")
        self._latest: Groups | None = None

    def close(self) -> None:
        """Finish started work."""
        self._thread.shutdown()

    async def find(self, threshold: float | None) -> Groups:
        """Return the groups at `threshold`, or at the index's own; raises `ProblemError`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._find, threshold
            )
        except VecsimError as error:
            raise problem_from_error(error, self._path, self._name) from error

    def _find(self, threshold: float | None) -> Groups:
        with Snapshot(self._path) as snapshot:
            limit = threshold_of(snapshot, threshold)
            latest = self._latest
            if latest and (latest.generation, latest.threshold) == (snapshot.generation, limit):
                return latest
            self._latest = found = _groups_of(snapshot, limit)
            return found


def _groups_of(snapshot: Snapshot, limit: float) -> Groups:
    kept: list[FoundGroup] = []
    images = left_out = 0
    for group in clusters(snapshot, SearchRequest(limit)):
        if images + len(group) > MAX_IMAGES:
            left_out += 1
            continue
        images += len(group)
        facts = GroupFacts(pair_scores(snapshot, group.keys), details_of(group))
        kept.append(FoundGroup(group, facts))
    return Groups(snapshot.generation, limit, snapshot.field_names, kept, left_out)
