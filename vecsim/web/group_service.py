"""The groups of one index of the server: found when they are asked for, kept until it changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vecsim.catalog.decisions import Decision
from vecsim.errors import VecsimError
from vecsim.index import Snapshot
from vecsim.operations.clustering import clusters, pair_scores
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.picture_facts import details_of
from vecsim.operations.requests import SearchRequest
from vecsim.render.review import GroupFacts
from vecsim.results import Cluster
from vecsim.web.problems import problem_from_error

MAX_IMAGES = 200_000
"""Images of all groups that are kept in memory; further groups are counted only."""


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group, the facts for its review, and what was decided about pairs of its images.

    `decided`: of each pair the positions in the group, the lower one first, and the verdict.
    """

    group: Cluster
    facts: GroupFacts
    decided: Sequence[tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Groups:
    """All groups of an index at a threshold. `left_out`: over `MAX_IMAGES`.

    `version`: stands for the generation of the index and its decisions.
    """

    version: str
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

    async def find(self, threshold: float | None, version: str | None = None) -> Groups:
        """Return the groups at `threshold`, or at the index's own; raises `ProblemError`.

        `version`: of earlier groups, which are returned if they are still in memory.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._find, threshold, version
            )
        except VecsimError as error:
            raise problem_from_error(error, self._path, self._name) from error

    def _find(self, threshold: float | None, version: str | None) -> Groups:
        with Snapshot(self._path) as snapshot:
            limit = threshold_of(snapshot, threshold)
            decisions = snapshot.decisions()
            now = _version_of(snapshot.generation, decisions)
            latest = self._latest
            if latest and latest.threshold == limit and latest.version in (now, version):
                return latest
            self._latest = found = _groups_of(snapshot, limit, now, decisions)
            return found


def _version_of(generation: int, decisions: Iterable[Decision]) -> str:
    digest = hashlib.sha256()
    for each in decisions:
        digest.update(f"{each.first} {each.second} {each.verdict}\n".encode())
    return f"{generation}-{digest.hexdigest()[:16]}"


def _groups_of(
    snapshot: Snapshot, limit: float, version: str, decisions: Sequence[Decision]
) -> Groups:
    verdicts: dict[str, dict[str, str]] = {}
    for each in decisions:
        verdicts.setdefault(each.first, {})[each.second] = each.verdict
    kept: list[FoundGroup] = []
    images = left_out = 0
    for group in clusters(snapshot, SearchRequest(limit)):
        if images + len(group) > MAX_IMAGES:
            left_out += 1
            continue
        images += len(group)
        facts = GroupFacts(pair_scores(snapshot, group.keys), details_of(group))
        kept.append(FoundGroup(group, facts, sorted(_decided(group, verdicts))))
    return Groups(version, limit, snapshot.field_names, kept, left_out)


def _decided(
    group: Cluster, verdicts: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[int, int, str]]:
    """Yield the decisions about pairs of a group. `verdicts`: by the two SHA-256 of a pair."""
    positions: dict[str, list[int]] = {}
    for position, facts in enumerate(group.facts):
        positions.setdefault(facts.sha256, []).append(position)
    for first in positions.keys() & verdicts.keys():
        for second, verdict in verdicts[first].items():
            for one in positions[first]:
                for other in positions.get(second, ()):
                    yield min(one, other), max(one, other), verdict
