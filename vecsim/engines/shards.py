"""Which images a worker gets next, so that one worker owns a host at a time."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from vecsim.errors import ImageError
from vecsim.fetch import parse_address
from vecsim.records import ImageFacts, ImageRef

# Images that are handed to a worker at once: enough that the way there costs nothing beside the
# work, few enough that the last ones are spread over all workers.
LARGEST, SMALLEST = 256, 16

# Images of one host under way at once: while the last of a shard are decoded, more are fetched.
OF_ONE_HOST = 2 * LARGEST

# An image is blamed once so many workers died over it, each time in fewer and fewer company: a
# shard shrinks eightfold with each death, so that the last times the image was alone.
DEATHS = 4
_SHRINK = 8


@dataclass(slots=True)
class Item:
    """One image on its way: its `number` in the source, and how many workers died over it."""

    number: int
    ref: ImageRef
    stored: ImageFacts | None
    place: str
    deaths: int = 0


class Shards:
    """Images that wait for a worker, by host. Files belong to no host, and to any worker."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Item]] = {}
        self._count = 0
        # Hosts of which something waits: nobody's, and each worker's own.
        self._free: OrderedDict[str, None] = OrderedDict()
        self._own: dict[Hashable, OrderedDict[str, None]] = {}
        self._owner: dict[str, Hashable] = {}
        self._under_way: Counter[str] = Counter()
        self._suspects: deque[Item] = deque()

    def __len__(self) -> int:
        return self._count + len(self._suspects)

    def add(self, item: Item) -> None:
        """Let `item` wait, behind those of its host."""
        self._waiting.setdefault(item.place, deque()).append(item)
        self._count += 1
        self._show(item.place)

    def take(self, worker: Hashable, *, idle: bool, size: int) -> tuple[list[Item], bool]:
        """At most `size` images for `worker`, and whether it must be given nothing beside them.

        Images over which a worker died go first and alone, so that none is blamed for another.
        """
        if any(self._may(worker, item.place) for item in self._suspects):
            return (self._take_suspects(worker), True) if idle else ([], False)
        if idle and not self._own.get(worker) and not self._free:
            self._inherit()
        taken: list[Item] = []
        for place in [*self._own.get(worker, ()), *self._first_free(size)]:
            queue = self._waiting[place]
            room = OF_ONE_HOST - self._under_way[place] if place else size
            for _ in range(min(size - len(taken), room, len(queue))):
                taken.append(queue.popleft())
            self._claim(worker, place)
            if len(taken) == size:
                break
        self._count -= len(taken)
        self._note(worker, taken)
        return taken, False

    def done(self, items: Iterable[Item]) -> None:
        """These came to an end."""
        for item in items:
            self._under_way[item.place] -= 1
            if not self._under_way[item.place]:
                del self._under_way[item.place]
                if item.place not in self._waiting:
                    self._owner.pop(item.place, None)

    def lost(self, items: Iterable[Item]) -> list[Item]:
        """A worker died over these; returns the ones that are to blame."""
        items = list(items)
        self.done(items)
        for item in items:
            item.deaths += 1
        self._suspects.extend(item for item in items if item.deaths < DEATHS)
        return [item for item in items if item.deaths >= DEATHS]

    def forget(self, worker: Hashable) -> None:
        """Let others have the hosts of a worker that is gone; nothing is under way there."""
        for place in self._own.pop(worker, ()):
            self._free[place] = None
        for place in [place for place, owner in self._owner.items() if owner == worker]:
            del self._owner[place]

    def _take_suspects(self, worker: Hashable) -> list[Item]:
        first = next(item for item in self._suspects if self._may(worker, item.place))
        size = max(1, LARGEST // _SHRINK**first.deaths)
        taken: list[Item] = []
        kept: deque[Item] = deque()
        for item in self._suspects:
            fits = item.deaths == first.deaths and len(taken) < size
            (taken if fits and self._may(worker, item.place) else kept).append(item)
        self._suspects = kept
        for item in taken:
            self._claim(worker, item.place)
        self._note(worker, taken)
        return taken

    def _inherit(self) -> None:
        """Free a host that others own, of which something waits and nothing is under way."""
        for hosts in self._own.values():
            for place in hosts:
                if not self._under_way[place]:
                    del hosts[place], self._owner[place]
                    self._free[place] = None
                    return

    def _may(self, worker: Hashable, place: str) -> bool:
        return not place or self._owner.get(place, worker) == worker

    def _first_free(self, size: int) -> list[str]:
        return [place for place, _ in zip(self._free, range(size), strict=False)]

    def _claim(self, worker: Hashable, place: str) -> None:
        """Make `place` the worker's own, and say whether something of it still waits."""
        if place:
            self._owner[place] = worker
        self._free.pop(place, None)
        self._own.get(worker, OrderedDict()).pop(place, None)
        if not self._waiting.get(place):
            self._waiting.pop(place, None)
        else:
            self._show(place)

    def _show(self, place: str) -> None:
        owner = self._owner.get(place)
        hosts = self._free if owner is None else self._own.setdefault(owner, OrderedDict())
        hosts.setdefault(place)

    def _note(self, worker: Hashable, taken: list[Item]) -> None:
        self._under_way.update(item.place for item in taken)


def place_of(url: str) -> str:
    """The host (and port) that is asked for `url`; nothing for files and what is no address."""
    try:
        return parse_address(url).origin
    except ImageError:
        return ""


def shard_size(waiting: int, workers: int) -> int:
    """How many images a worker is given at once, so that there is something for each."""
    return min(LARGEST, max(SMALLEST, waiting // (4 * max(1, workers))))
