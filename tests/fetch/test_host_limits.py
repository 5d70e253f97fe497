"""`HostLimits` by itself, without any network."""

import threading
import time
from collections.abc import Callable

import pytest

from vecsim.fetch import FetchOptions
from vecsim.fetch.deadline import current_deadline
from vecsim.fetch.politeness import HostLimits, HostUnavailableError

HOST = "shop.example:443"


def limits(**options: object) -> HostLimits:
    return HostLimits(FetchOptions(**options))  # type: ignore[arg-type]


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def request(hosts: HostLimits, origin: str = HOST) -> None:
    with hosts.request_slot(origin):
        pass


def test_a_full_host_makes_others_wait_until_a_slot_is_free() -> None:
    hosts = limits(per_host=1)
    with hosts.request_slot(HOST):
        waiting = in_background(lambda: request(hosts))
        waiting.join(0.1)
        assert waiting.is_alive()
        request(hosts, "other.example:80")  # another host has slots of its own
    waiting.join(5)
    assert not waiting.is_alive()


def test_waiting_for_a_slot_extends_the_deadline() -> None:
    hosts = limits(rate_per_host=5.0)
    request(hosts)
    current_deadline.start(10.0, 10.0)
    request(hosts)  # waits 0.2 s
    assert current_deadline.remaining() > 9.95


def test_requests_start_at_the_rate() -> None:
    hosts = limits(rate_per_host=20.0)
    began = time.monotonic()
    for _ in range(5):
        request(hosts)
    assert time.monotonic() - began > 4 / 20


def test_a_delay_that_the_host_asked_for_is_kept() -> None:
    hosts = limits()
    hosts.delay_next_request(HOST, 0.2)
    began = time.monotonic()
    request(hosts)
    assert time.monotonic() - began > 0.15


def test_a_host_is_unavailable_after_failures_in_a_row_only() -> None:
    hosts = limits(give_up_after=3)
    for _ in range(2):
        hosts.record_failure(HOST)
    hosts.record_success(HOST)
    for _ in range(2):
        hosts.record_failure(HOST)
    request(hosts)
    hosts.record_failure(HOST)
    with pytest.raises(HostUnavailableError, match="after 3 failures in a row") as caught:
        request(hosts)
    assert (caught.value.kind, caught.value.attempts) == ("connect", 0)
    request(hosts, "other.example:80")


def test_after_the_pause_one_request_is_let_through_as_a_trial() -> None:
    hosts = limits(give_up_after=1, give_up_for=0.1)
    hosts.record_failure(HOST)
    time.sleep(0.15)
    request(hosts)
    with pytest.raises(HostUnavailableError):
        request(hosts)  # the trial has not been recorded yet
    hosts.record_success(HOST)
    request(hosts)


def test_a_failed_trial_doubles_the_pause() -> None:
    hosts = limits(give_up_after=1, give_up_for=0.2)
    hosts.record_failure(HOST)
    time.sleep(0.25)
    request(hosts)
    hosts.record_failure(HOST)
    time.sleep(0.25)
    with pytest.raises(HostUnavailableError):
        request(hosts)
    time.sleep(0.25)
    request(hosts)


def test_requests_that_wait_fail_when_the_host_becomes_unavailable() -> None:
    hosts = limits(per_host=1, give_up_after=1)
    errors: list[HostUnavailableError] = []

    def wait() -> None:
        try:
            request(hosts)
        except HostUnavailableError as error:
            errors.append(error)

    with hosts.request_slot(HOST):
        threads = [in_background(wait) for _ in range(3)]
        time.sleep(0.1)
        hosts.record_failure(HOST)
    for thread in threads:
        thread.join(5)
    assert len(errors) == 3


def test_only_so_many_hosts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vecsim.fetch.politeness._MAX_HOSTS", 10)
    hosts = limits()
    for number in range(30):
        request(hosts, f"{number}.example:80")
    assert list(hosts._hosts) == [f"{number}.example:80" for number in range(20, 30)]
