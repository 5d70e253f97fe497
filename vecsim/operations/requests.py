"""What an operation is asked to do: options as objects, made once by a face and checked there."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal, get_args

from vecsim.engines.engine import WorkOptions
from vecsim.errors import InputError, UsageError
from vecsim.orientations import codes_of
from vecsim.protocols import Embedder
from vecsim.records import AddReport
from vecsim.search.score import check_threshold

if TYPE_CHECKING:
    from vecsim.models.file_settings import FileSettings

OnDuplicate = Literal["error", "skip", "replace"]
"""What to do with an id that is listed again with another URL."""

Keep = Literal["largest", "oldest", "first"]
"""What decides first which image of a cluster to keep: most pixels, the time when it was taken, or
its id in text order.
"""

Linkage = Literal["medoid", "complete", "components"]
"""Which images form a cluster: those that match one of them, that all match each other, or that a
chain of matches connects.
"""

Progress = Callable[[AddReport], None]
"""Called often during a run, with the counts so far."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Which pairs a search reports. Raises `UsageError` for invalid values.

    `threshold`: the lowest score to report, inclusive, from -1 to 1; None for the index's own.
    `top_k`: report this many best references of each query instead, whatever their score.
    `best_only`: report only the best reference of each query. `mutual`: only pairs of which each
    image is the other's best. `one_to_one`: each image in at most one pair, the best pair first.
    `since`: report only pairs with an image added at this time or later: see `parse_timestamp`,
    whose result it becomes.
    `new_only`: report only pairs with an image that the last complete sync added or changed.
    `skip_placeholders`: leave out pictures that this many images share; at least 2.
    `thumbnails`: the result's blocks carry the thumbnails of queries that are in no index.
    `show_all`: also report pairs that are left out otherwise: see `vecsim.operations.hiding`.
    `orientations`: in which orientations queries are compared, a name of
    `vecsim.orientations.SETTINGS`; None for the usual: "turns" for pictures that are embedded for
    the search, "none" for images of an index and for vectors.
    """

    threshold: float | None = None
    top_k: int | None = None
    best_only: bool = False
    mutual: bool = False
    one_to_one: bool = False
    since: str | None = None
    new_only: bool = False
    skip_placeholders: int | None = None
    thumbnails: bool = False
    show_all: bool = False
    orientations: str | None = None

    def __post_init__(self) -> None:
        if self.orientations is not None:
            codes_of(self.orientations)
        if self.since is not None:
            object.__setattr__(self, "since", parse_timestamp(self.since))
        if self.threshold is not None:
            object.__setattr__(self, "threshold", check_threshold(self.threshold))
            if self.top_k is not None:
                raise UsageError("Ask for a threshold or for the top k, not for both.")
        if self.best_only + self.mutual + self.one_to_one > 1:
            raise UsageError(
                "Ask for one of these only: the best match of each query, mutual best matches, "
                "one-to-one pairs."
            )
        if self.new_only and (self.since is not None or self.mutual or self.one_to_one):
            raise UsageError(
                "Pairs of the last sync cannot be asked for together with those since a time, "
                "mutual best matches or one-to-one pairs."
            )
        for name, least in (("top_k", 1), ("skip_placeholders", 2)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check_whole(name, value, least))


@dataclass(frozen=True, slots=True)
class Grouping:
    """How clusters are formed, and which images of each are kept. Raises `UsageError`.

    `linkage`, `keep`: see `Linkage` and `Keep`. `prefer`: of equally good images, those in the
    first of these folders are kept. `reference`: folders whose images are never given up.
    """

    linkage: str = "medoid"
    keep: str = "largest"
    prefer: tuple[Path, ...] = ()
    reference: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        check_choice("linkage", self.linkage, get_args(Linkage))
        check_choice("keep", self.keep, get_args(Keep))


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model makes the vectors.

    `name`: a name that `vecsim.models` knows; "auto" for the index's own, or for a new index the
    default. `weights`: the model's weights file, where it needs one. `embedder`: the model itself,
    loaded; then the other two say nothing. `settings`: of a model file, whose path is `weights` and
    whose format is `name`; `of` makes such a choice.
    """

    name: str = "auto"
    weights: Path | None = None
    embedder: Embedder | None = None
    settings: FileSettings | None = None

    @classmethod
    def of(
        cls, name: str, weights: Path | None = None, options: Mapping[str, str] | None = None
    ) -> ModelChoice:
        """Choose a model by its name, or by the path of its file with the settings `options`.

        Raises `UsageError`, and `InputError` for a file of settings that cannot be used.
        """
        from vecsim.models.file_settings import FORMATS, read_settings

        format_ = FORMATS.get(Path(name).suffix)
        if format_ is None:
            if options:
                raise UsageError(f"{name!r} is no model file: settings are for model files.")
            return cls(name, weights)
        if weights is not None:
            raise UsageError(f"{name}: a model file holds its weights: it takes no others.")
        return cls(format_, Path(name), settings=read_settings(Path(name), options or {}))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run that changes an index works. Raises `UsageError` for an unknown `on_duplicate`.

    `on_duplicate`: what to do with an id that is listed again with another URL.
    `thumbnails`: whether the index keeps thumbnails from now on; None: as it does already.
    `orientations`: in which orientations the index stores its images from now on, those that it has
    too: a name of `vecsim.orientations.SETTINGS`; None: as it does already.
    `wait`: while another process writes to the index, wait instead of raising `IndexLockedError`;
    a number: so many seconds at most.
    `places`: the path of each source whose name is none. `progress` is called often. When `stop` is
    set, what is done is committed and the run ends. `busy` is set while there may be something to
    commit: without it, a run can be ended at once.
    """

    model: ModelChoice = field(default_factory=ModelChoice)
    work: WorkOptions = field(default_factory=WorkOptions)
    on_duplicate: str = "error"
    thumbnails: bool | None = None
    orientations: str | None = None
    wait: bool | float = False
    places: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = lambda report: None
    stop: Event | None = None
    busy: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        check_choice("on_duplicate", self.on_duplicate, get_args(OnDuplicate))
        if self.orientations is not None:
            codes_of(self.orientations)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Set `busy` for the duration of the block, in which work is done that is committed."""
        self.busy.set()
        try:
            yield
        finally:
            self.busy.clear()

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to end early."""
        return self.stop is not None and self.stop.is_set()


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise `UsageError` unless `value` is one of `choices`."""
    if value not in choices:
        raise UsageError(f"{name}={value!r}: choose one of {', '.join(choices)}.")


def check_whole(name: str, value: object, least: int, most: int = 1_000_000_000) -> int:
    """Return `value` as an int. Raises `UsageError` unless it is a whole number in that range."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise UsageError(f"{name}={value!r}: must be a whole number from {least} to {most:,}.")
    return number


def check_id(value: object, place: str) -> str:
    """Return an id as text. Raises `InputError`, naming `place`, for text that cannot be stored."""
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: the id {text!r} is not valid Unicode.") from error
    if "\0" in text:
        raise InputError(f"{place}: the id {text!r} holds a NUL character.")
    return text


def as_fields(fields: Mapping[str, object] | None, place: str) -> dict[str, str]:
    """Return carried fields with their values as text, "" for None. Raises `UsageError`."""
    if not isinstance(fields, Mapping | None) or not all(isinstance(n, str) for n in fields or {}):
        raise UsageError(f"{place}: fields are a mapping of names to values, not {fields!r}.")
    return {name: "" if value is None else str(value) for name, value in (fields or {}).items()}


def parse_timestamp(time: str | date, now: datetime | None = None) -> str:
    """Convert a time as people write it to UTC in ISO 8601, as the catalog stores it.

    Accepts a date, a date and time (local unless it names its zone), as text or as an object, or a
    span before `now` such as 36h or 7d (m, h, d, w). Raises `UsageError`.
    """
    moment: date
    try:
        if isinstance(time, date):
            moment = time
        elif span := re.fullmatch(r"\s*(\d+)\s*([mhdw])\s*", time):
            ago = timedelta(**{_UNITS[span[2]]: int(span[1])})
            moment = (now or datetime.now(UTC)) - ago
        else:
            moment = datetime.fromisoformat(time.strip())
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{time!r} is not a time: write 2026-01-31, 2026-01-31T08:00 or a span such as 36h, 7d."
        ) from error
