"""The deadline of a thread's fetch, and sockets that keep it."""

import socket
import threading
import time

import pytest

from vecsim.fetch.deadline import Deadline, DeadlineError, DeadlineSocket, current_deadline


def test_remaining_counts_down_and_timeouts_are_limited_to_it() -> None:
    deadline = Deadline()
    deadline.start(10.0, read_timeout=2.0)
    assert 9.0 < deadline.remaining() <= 10.0
    assert deadline.limit_timeout(2.0) == 2.0
    assert 9.0 < deadline.limit_timeout(60.0) <= 10.0


def test_a_deadline_that_has_passed_raises() -> None:
    deadline = Deadline()
    deadline.start(-1.0, read_timeout=2.0)
    assert deadline.remaining() < 0
    with pytest.raises(DeadlineError):
        deadline.limit_timeout(2.0)


def test_extend_postpones_the_deadline() -> None:
    deadline = Deadline()
    deadline.start(-1.0, read_timeout=2.0)
    deadline.extend(10.0)
    assert 8.0 < deadline.remaining() < 10.0


def test_each_thread_has_its_own_deadline() -> None:
    deadline = Deadline()
    deadline.start(10.0, read_timeout=2.0)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(deadline.remaining()))
    thread.start()
    thread.join()
    assert seen == [float("inf")]


@pytest.mark.parametrize(("seconds", "read_timeout"), [(0.2, 5.0), (5.0, 0.2)])
def test_a_read_ends_at_the_deadline_or_the_read_timeout(
    seconds: float, read_timeout: float
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, DeadlineSocket() as client:
        client.connect(server.getsockname())
        began = time.monotonic()
        current_deadline.start(seconds, read_timeout)
        with pytest.raises(TimeoutError):
            client.recv_into(bytearray(10))
        assert 0.1 < time.monotonic() - began < 2.0
