"""Values that `FetchOptions` accepts and refuses."""

import pytest

from vecsim.errors import UsageError
from vecsim.fetch import FetchOptions


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": 0},
        {"per_host": 0},
        {"retries": -1},
        {"rate_per_host": 0.0},
        {"max_bytes": float("nan")},
        {"workers": 0},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X Y": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"X": "\u20ac"}},
        {"user_agent": "a\nb"},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        FetchOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("per_host", "rate_per_host", "threads"), [(8, None, 8), (8, 2.4, 2), (8, 0.1, 1), (2, 50.0, 2)]
)
def test_a_low_rate_limits_the_threads_of_a_host(
    per_host: int, rate_per_host: float | None, threads: int
) -> None:
    options = FetchOptions(per_host=per_host, rate_per_host=rate_per_host)
    assert options.threads_per_host == threads
