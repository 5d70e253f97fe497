"""How clients share the server: each gets a part of it, however many requests it sends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_MEASURED_EVERY = 0.1
"""Seconds."""


class ClientBudget:
    """An amount that clients share: each may have at most as much as then is left for others.

    So a client has half of it by itself. Some twenty clients can still take everything together:
    the first half of it, the second half of the rest, and so on. `at_least`: what each client may
    have all the same, also beyond `total`: only for what something else limits, such as the number
    of connections. `per_client`: what a client has at most.
    """

    def __init__(self, total: int, per_client: int, *, at_least: int = 0) -> None:
        self._total = total
        self.per_client = per_client
        self._at_least = at_least
        self._taken: Counter[str] = Counter()
        self.taken = 0
        """What all clients have taken."""

    def acquire(self, client: str, amount: int = 1) -> bool:
        """Take `amount` for the client; False, and nothing is taken, beyond a limit."""
        own = self._taken[client] + amount
        left = max(self._at_least, self._total - self.taken - amount)
        if own > min(self.per_client, left):
            return False
        self._taken[client] = own
        self.taken += amount
        return True

    def amount(self, client: str) -> int:
        """Return what the client has taken."""
        return self._taken[client]

    def release(self, client: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self.taken -= amount
        self._taken[client] -= amount
        if self._taken[client] <= 0:
            del self._taken[client]


class RecentCounter:
    """Counts events of clients in the current second of `time.monotonic`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._second = 0

    def add(self, client: str) -> int:
        """Count one more event of the client; returns how many it has."""
        count = self.count(client) + 1
        self._counts[client] = count
        return count

    def count(self, client: str) -> int:
        """How many events the client has in this second."""
        now = int(time.monotonic())
        if now != self._second:
            self._second = now
            self._counts.clear()
        return self._counts[client]


class Allowances:
    """Allows each client an event in `seconds` / `burst` seconds on average, `burst` at once."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._left: dict[str, tuple[float, float]] = {}
        """Events that a client had left, and when."""
        self._looked_through = time.monotonic()

    def take(self, client: str) -> bool:
        """Count one more event of the client; returns whether it is allowed."""
        now = time.monotonic()
        if now - self._looked_through > self._seconds:
            # All others have their whole burst again.
            self._left = {
                key: value for key, value in self._left.items() if now - value[1] < self._seconds
            }
            self._looked_through = now
        left, then = self._left.get(client, (float(self._burst), now))
        left = min(self._burst, left + (now - then) * self._burst / self._seconds)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        return allowed


class KnownClients:
    """Clients that took an answer and went on in order, at most `most`, for some seconds each."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._since: OrderedDict[str, float] = OrderedDict()

    def add(self, client: str) -> None:
        """Know the client from now on; beyond `most`, the one that was quiet longest is dropped."""
        self._since[client] = time.monotonic()
        self._since.move_to_end(client)
        if len(self._since) > self._most:
            self._since.popitem(last=False)

    def __contains__(self, client: str) -> bool:
        """Whether the client was added in the last seconds."""
        return time.monotonic() - self._since.get(client, -self._seconds) < self._seconds


class LoadMeter:
    """Measures how late the event loop runs what is due: how long every client waits."""

    def __init__(self) -> None:
        self.lag = 0.0
        """Seconds, in the last tenth of a second."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to measure, unless begun."""
        if self._timer is None:
            self._measure(loop, loop.time())

    def _measure(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.lag = loop.time() - due
        due = loop.time() + _MEASURED_EVERY
        self._timer = loop.call_at(due, self._measure, loop, due)


class Turns:
    """Slots that requests take one after the other; clients that wait take turns.

    For one event loop. The number of those that wait is limited by the caller.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.waiting = 0
        """How many requests wait."""

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it during the block."""
        if self._free == 0:
            await self._wait(client)
        else:
            self._free -= 1
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, client: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the turn came at the same moment
            raise
        finally:
            self.waiting -= 1

    def _pass_on(self) -> None:
        """Give the slot to the next client that waits, or keep it free."""
        while self._waiting:
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[client] = queue  # behind all others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
