"""What a run did, in words."""

from __future__ import annotations

from vecsim.records import AddReport
from vecsim.render import summarize_refresh, summarize_run


def test_a_run_is_summarized_in_counts() -> None:
    assert summarize_run(AddReport(added=5)) == "5 added."
    report = AddReport(1200, 7, 1, 4, 2, {"dns": 1, "http": 3})
    assert summarize_run(report) == (
        "1,200 added, 1 replaced, 7 already known, 4 failed (3 http, 1 dns); "
        "2 had the bytes of a known image and took its vector."
    )


def test_hosts_with_the_most_failures_come_first_with_their_reasons() -> None:
    by_host = {f"host-{n}": {"http 404": n} for n in range(1, 6)}
    by_host["dead:81"] = {"not tried": 980, "connect": 20}
    by_host["a"] = {"dns": 1}
    report = AddReport(failed=1016, failures_by_kind={"connect": 1000}, failures_by_host=by_host)

    assert summarize_run(report).splitlines()[1:] == [
        "  dead:81: 980 not tried after repeated failures of the host, 20 connect",
        "  host-5: 5 http 404",
        "  host-4: 4 http 404",
        "  host-3: 3 http 404",
        "  host-2: 2 http 404",
        "  and 2 more hosts: 2",
    ]
    assert "  and 2 more hosts: 2" in summarize_refresh(report)


def test_a_refresh_is_summarized_in_counts() -> None:
    report = AddReport(unchanged=1000, replaced=2)
    assert summarize_refresh(report) == "1,000 unchanged, 2 changed."
    failed = AddReport(unchanged=1, failed=1, failures_by_kind={"dns": 1})
    assert summarize_refresh(failed) == "1 unchanged, 0 changed, 1 failed (1 dns)."
