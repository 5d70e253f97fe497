"""Chooses the images that a worker gets next; one worker owns a host at a time."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import islice

from vecsim.errors import ImageError
from vecsim.fetch import parse_address
from vecsim.records import ImageFacts, ImageRef

# Images handed to a worker at once: enough that the transfer costs little beside the work, few
# enough that the last ones are spread over all workers.
LARGEST, SMALLEST = 256, 16

# Images of one host in progress: while the last of a shard are decoded, more are fetched.
OF_ONE_HOST = 2 * LARGEST

# An image fails once this many workers died while they had it. The shard with which it is tried
# again shrinks eightfold with each death, so that in the end the image was alone.
DEATHS = 4
_SHRINK = 8


@dataclass(slots=True)
class Item:
    """One image in progress: its `number` in the source, and how many workers died while they had
    it. `host`: the host (and port) that is asked for it, "" for files.
    """

    number: int
    ref: ImageRef
    stored: ImageFacts | None
    host: str
    deaths: int = 0


class Shards:
    """Queues of images that wait for a worker, by host. Files have no host, and go to any worker.

    Images over which a worker died are suspects: they are handed out first, and alone.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Item]] = {}
        self._count = 0
        # Hosts with waiting images: those without an owner, and those of each worker.
        self._unowned: OrderedDict[str, None] = OrderedDict()
        self._own: dict[Hashable, OrderedDict[str, None]] = {}
        self._owner: dict[str, Hashable] = {}
        self._in_progress: Counter[str] = Counter()
        self._suspects: deque[Item] = deque()

    def __len__(self) -> int:
        return self._count + len(self._suspects)

    def add(self, item: Item) -> None:
        """Queue `item` behind the others of its host."""
        self._waiting.setdefault(item.host, deque()).append(item)
        self._count += 1
        self._list(item.host)

    def take(self, worker: Hashable, *, idle: bool, size: int) -> tuple[list[Item], bool]:
        """Take at most `size` images for `worker`; True if it must be given nothing beside them.

        Suspects go first and alone, so that no image is blamed for the crash of another.
        """
        if any(self._may_take(worker, item.host) for item in self._suspects):
            return (self._take_suspects(worker), True) if idle else ([], False)
        if idle and not self._own.get(worker) and not self._unowned:
            self._free_idle_host()
        taken: list[Item] = []
        for host in [*self._own.get(worker, ()), *islice(self._unowned, size)]:
            queue = self._waiting[host]
            room = OF_ONE_HOST - self._in_progress[host] if host else size
            for _ in range(min(size - len(taken), room, len(queue))):
                taken.append(queue.popleft())
            self._claim(worker, host)
            if len(taken) == size:
                break
        self._count -= len(taken)
        self._note(worker, taken)
        return taken, False

    def done(self, items: Iterable[Item]) -> None:
        """Note that these images have an outcome."""
        for item in items:
            self._in_progress[item.host] -= 1
            if not self._in_progress[item.host]:
                del self._in_progress[item.host]
                if item.host not in self._waiting:
                    self._owner.pop(item.host, None)

    def lost(self, items: Iterable[Item]) -> list[Item]:
        """Note that a worker died while it had these; returns those that fail for it."""
        items = list(items)
        self.done(items)
        for item in items:
            item.deaths += 1
        self._suspects.extend(item for item in items if item.deaths < DEATHS)
        return [item for item in items if item.deaths >= DEATHS]

    def forget(self, worker: Hashable) -> None:
        """Free the hosts of a worker that died; nothing of them is in progress."""
        for host in self._own.pop(worker, ()):
            self._unowned[host] = None
        for host in [host for host, owner in self._owner.items() if owner == worker]:
            del self._owner[host]

    def _take_suspects(self, worker: Hashable) -> list[Item]:
        first = next(item for item in self._suspects if self._may_take(worker, item.host))
        size = max(1, LARGEST // _SHRINK**first.deaths)
        taken: list[Item] = []
        kept: deque[Item] = deque()
        for item in self._suspects:
            fits = item.deaths == first.deaths and len(taken) < size
            (taken if fits and self._may_take(worker, item.host) else kept).append(item)
        self._suspects = kept
        for item in taken:
            self._claim(worker, item.host)
        self._note(worker, taken)
        return taken

    def _free_idle_host(self) -> None:
        """Free a host of another worker that has images waiting and none in progress."""
        for hosts in self._own.values():
            for host in hosts:
                if not self._in_progress[host]:
                    del hosts[host], self._owner[host]
                    self._unowned[host] = None
                    return

    def _may_take(self, worker: Hashable, host: str) -> bool:
        return not host or self._owner.get(host, worker) == worker

    def _claim(self, worker: Hashable, host: str) -> None:
        """Make `worker` the owner of `host`, and list the host if images of it still wait."""
        if host:
            self._owner[host] = worker
        self._unowned.pop(host, None)
        self._own.get(worker, OrderedDict()).pop(host, None)
        if not self._waiting.get(host):
            self._waiting.pop(host, None)
        else:
            self._list(host)

    def _list(self, host: str) -> None:
        owner = self._owner.get(host)
        hosts = self._unowned if owner is None else self._own.setdefault(owner, OrderedDict())
        hosts.setdefault(host)

    def _note(self, worker: Hashable, taken: list[Item]) -> None:
        self._in_progress.update(item.host for item in taken)


def host_of(url: str) -> str:
    """Return the host (and port) that is asked for `url`; "" for files and invalid URLs."""
    try:
        return parse_address(url).origin
    except ImageError:
        return ""


def shard_size(waiting: int, workers: int) -> int:
    """Return how many images a worker is given at once, so that each gets some."""
    return min(LARGEST, max(SMALLEST, waiting // (4 * max(1, workers))))
