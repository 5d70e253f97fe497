"""Checks a whole list before anything is done: what is given up, and what is kept for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vecsim.catalog import ImageRow
from vecsim.errors import InputError, UnknownIdError
from vecsim.hints import Action, Hint
from vecsim.index import Snapshot
from vecsim.index.orientation_scores import best_scores
from vecsim.operations.applying.requests import Choice, Outcome
from vecsim.operations.decisions import Decisions
from vecsim.operations.index_settings import threshold_of
from vecsim.operations.local_files import local_path
from vecsim.orientations import AS_IT_IS
from vecsim.records import ImageRef

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A local file that is given up, the image that is kept for it, and their score."""

    image: ImageRow
    path: Path
    kept: ImageRow
    kept_path: Path
    score: float


@dataclass(slots=True)
class Plan:
    """What a list means for an index: files to act on, and images that are left as they are.

    `kept`: the paths of all files that are kept.
    """

    given_up: list[GivenUp] = field(default_factory=list)
    left: list[Outcome] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    kept: list[Choice] = field(default_factory=list)
    given_up: list[Choice] = field(default_factory=list)


def make_plan(snapshot: Snapshot, choices: Sequence[Choice], threshold: float | None) -> Plan:
    """Check a list and decide what it means.

    Raises `InputError` if an image is both kept and given up, a group keeps nothing, or the score
    of a given-up image with the kept one is below `threshold` and both were not judged the same;
    `UnknownIdError` if the index has none of the images.
    """
    groups = _grouped(choices)
    rows = snapshot.rows_of_ids(dict.fromkeys(choice.id for choice in choices))
    if choices and not rows:
        raise UnknownIdError(
            f"{snapshot.folder.path}: has none of the {len(choices):,} images of this list. They "
            f"are of another index, or have left it."
        )
    planner = _Planner(snapshot, rows, threshold_of(snapshot, threshold))
    for group in groups.values():
        planner.add(group)
    planner.check_scores()
    # Links first: once the file behind a link has gone, its bytes could not be checked.
    planner.plan.given_up.sort(key=lambda given: not given.path.is_symlink())
    return planner.plan


def _grouped(choices: Iterable[Choice]) -> dict[str, _Group]:
    """Return the groups of a list. Raises `InputError` for one that contradicts itself."""
    groups: dict[str, _Group] = {}
    for choice in choices:
        group = groups.setdefault(choice.group, _Group())
        (group.kept if choice.keep else group.given_up).append(choice)
    kept = {choice.id: choice for group in groups.values() for choice in group.kept}
    for number, group in groups.items():
        for choice in group.given_up:
            if choice.id in kept:
                raise InputError(
                    f"{choice.location}: {choice.id!r} is given up here and kept on "
                    f"{kept[choice.id].location}. Correct one of the rows; nothing was changed."
                )
        if group.given_up and not group.kept:
            raise InputError(
                f"{group.given_up[0].location}: group {number} keeps no image. Set keep to yes for "
                f"one of them; nothing was changed."
            )
    return groups


class _Planner:
    """Makes the plan of a list, group by group. `limit`: the lowest score with the kept image."""

    def __init__(self, snapshot: Snapshot, rows: dict[str, ImageRow], limit: float) -> None:
        self.plan = Plan()
        self._snapshot = snapshot
        self._rows = rows
        self._limit = limit
        self._low: list[str] = []
        decisions = Decisions.of(snapshot)
        self._same = decisions.same_pictures()
        self._different = decisions.different

    def add(self, group: _Group) -> None:
        """Plan what becomes of the images that a group gives up."""
        kept = [row for choice in group.kept if (row := self._row(choice)) is not None]
        # Also of images that the index does not know: a kept link may lead to a file given up.
        urls = [row.ref.url for row in kept] + [choice.url or choice.id for choice in group.kept]
        paths = map(absolute_path, dict.fromkeys(urls))
        self.plan.kept += [path for path in paths if path is not None]
        for choice in group.given_up:
            row = self._row(choice)
            if row is None:
                where = "has another URL in the index" if choice.id in self._rows else ""
                self._leave(choice, f"it {where or 'is not in the index'}")
            elif not kept:
                self._leave(choice, "no kept image of its group is in the index")
            elif not (others := [one for one in kept if not self._were_judged_different(row, one)]):
                self._leave(choice, "it was judged different from what its group keeps")
            else:
                self._add_choice(choice, row, others)

    def _add_choice(self, choice: Choice, row: ImageRow, kept: list[ImageRow]) -> None:
        """Plan to give up `row` for the best of `kept`, if its score allows that."""
        # Where images were judged the same, their score does not matter.
        same = [other for other in kept if self._were_judged_same(row, other)]
        best = _best(self._snapshot, row, kept)
        if best[1] < self._limit and same:
            best = _best(self._snapshot, row, same)
        if best[1] < self._limit and not same:
            self._low.append(f"{choice.id} ({best[1]:.6f})")
        else:
            self._add_image(choice, row, *best)

    def _were_judged_different(self, one: ImageRow, other: ImageRow) -> bool:
        low, high = sorted((one.facts.sha256, other.facts.sha256))
        return (low, high) in self._different

    def _were_judged_same(self, one: ImageRow, other: ImageRow) -> bool:
        first, second = (self._same.get(row.facts.sha256) for row in (one, other))
        return first is not None and first == second

    def _add_image(self, choice: Choice, row: ImageRow, kept: ImageRow, score: float) -> None:
        path, kept_path = absolute_path(row.ref.url), absolute_path(kept.ref.url)
        if path is None:
            self._leave(choice, "it is not a local file", kept, score, status="url")
        elif kept_path is None:
            why = "the kept image is not a local file, so its bytes cannot be checked"
            self._leave(choice, why, kept, score)
        elif not row.facts.sha256 or not kept.facts.sha256:
            self._leave(choice, "the index does not know the bytes of both files", kept, score)
        else:
            self.plan.given_up.append(GivenUp(row, path, kept, kept_path, score))

    def _leave(
        self,
        choice: Choice,
        why: str,
        kept: ImageRow | None = None,
        score: float | None = None,
        *,
        status: str = "skipped",
    ) -> None:
        ref = kept.ref if kept is not None else None
        image = ImageRef(choice.id, choice.url)
        self.plan.left.append(Outcome(status, "none", image, ref, score, why=why))

    def _row(self, choice: Choice) -> ImageRow | None:
        """Return the image of `choice`, if the index has it at the same place."""
        row = self._rows.get(choice.id)
        return row if row is not None and choice.url in ("", row.ref.url) else None

    def check_scores(self) -> None:
        """Raise `InputError` if an image scores below the threshold with all kept ones."""
        if self._low:
            shown = ", ".join(self._low[:_SHOWN])
            more = f" and {len(self._low) - _SHOWN:,} more" if len(self._low) > _SHOWN else ""
            raise InputError(
                f"below the threshold of {self._limit:g} with every image that their group keeps: "
                f"{shown}{more}. Nothing was changed.",
                hint=Hint(Action.LOWER_THRESHOLD),
            )


def _best(snapshot: Snapshot, row: ImageRow, kept: list[ImageRow]) -> tuple[ImageRow, float]:
    """Return the kept image with the highest score; among equals, the first of the list.

    Scores are those of all orientations that the index stores: a list may be of groups in which
    pictures are turned.
    """
    codes = (AS_IT_IS, *snapshot.turned_counts())
    one = (snapshot, np.array([row.key]))
    scored = []
    for other in kept:
        scores, _ = best_scores(one, (snapshot, np.array([other.key])), codes)
        scored.append(float(scores[0, 0]))
    best = max(range(len(kept)), key=lambda position: scored[position])
    return kept[best], scored[best]


def absolute_path(url: str) -> Path | None:
    """Return the absolute path of a local image, None for a URL of the web or no address."""
    path = local_path(url)
    return None if path is None else Path(os.path.abspath(path))
